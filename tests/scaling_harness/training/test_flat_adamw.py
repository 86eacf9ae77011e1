import functools

import pytest
import torch
from torch import nn

from scaling_harness.models.language_model import UpdateRule
from scaling_harness.training import flat_adamw
from scaling_harness.training.distributed import Ranks
from scaling_harness.training.flat_adamw import FlatAdamW

SETTINGS = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}


class Toy(nn.Module):
    """Two matrices and a bias of awkward sizes, with or without a run axis."""

    def __init__(self, seeds=None):
        super().__init__()
        draws = [[torch.randn(s, generator=g) for s in ((3, 5), (5,), (5, 2))] for g in map(_generator, seeds or [0])]
        values = [torch.stack(run) for run in zip(*draws, strict=True)] if seeds else draws[0]
        self.first, self.bias, self.second = (nn.Parameter(value) for value in values)

    def forward(self, x):
        bias = self.bias.unsqueeze(-2)
        return ((x @ self.first + bias).tanh() @ self.second).square().mean((-2, -1))


def _generator(seed):
    return torch.Generator().manual_seed(seed)


RULES = {"first": UpdateRule(0.5, True), "bias": UpdateRule(1.0, False), "second": UpdateRule(2.0, True)}
DATA = torch.randn(6, 8, 3, generator=_generator(7))


def flat(module, n_runs=1, **changes):
    return FlatAdamW(module, RULES, n_runs=n_runs, **(SETTINGS | changes))


def train(module, optimizer, lr, max_norm=None):
    norms = []
    for x in DATA:
        optimizer.backward(module(x).reshape(-1))
        norms.append(optimizer.step(lr, max_norm))
    return torch.stack(norms)


@pytest.mark.parametrize("max_norm", [None, 0.05])
def test_is_pytorchs_adamw_with_parameter_groups(max_norm):
    ours, theirs = Toy(), Toy()
    train(ours, flat(ours), [0.01], max_norm)
    groups = [
        {
            "params": [parameter],
            "lr": 0.01 * RULES[name].lr_multiplier,
            "weight_decay": 0.1 if RULES[name].decay else 0.0,
        }
        for name, parameter in theirs.named_parameters()
    ]
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-8, foreach=False)
    for x in DATA:
        reference.zero_grad()
        theirs(x).backward()
        if max_norm:
            nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_runs_of_a_stack_are_updated_as_alone():
    rates = [0.003, 0.01, 0.03]
    stack = Toy(seeds=[0, 1, 2])
    norms = train(stack, flat(stack, n_runs=3), rates, max_norm=0.05)
    for run, rate in enumerate(rates):
        alone = Toy(seeds=[run])
        assert torch.equal(train(alone, flat(alone), [rate], max_norm=0.05)[:, 0], norms[:, run])
        assert all(torch.equal(a[0], b[run]) for a, b in zip(alone.parameters(), stack.parameters(), strict=True))


@pytest.mark.parametrize("max_norm", [None, 0.05])
@pytest.mark.parametrize(("compiles", "at_once"), [(False, 1 << 26), (True, 1 << 26), (False, 21)])
def test_one_update_of_all_runs_and_rules_is_those_one_by_one(max_norm, compiles, at_once, monkeypatch):
    """As on a GPU: of the same gradients, within rounding, whole or a few parameters of each run at a time."""
    monkeypatch.setattr(flat_adamw, "UPDATED_AT_ONCE", at_once)
    rates, stacks = [0.003, 0.01, 0.03], [Toy(seeds=[0, 1, 2]) for _ in range(2)]
    each, batched = (flat(stack, n_runs=3, batched=as_one) for stack, as_one in zip(stacks, (False, True), strict=True))
    if compiles:
        monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
        batched.compile_update()
    norms = []
    for x in DATA:
        each.backward(stacks[0](x))
        batched.gradients_RP.copy_(each.gradients_RP)
        norms.append((each.step(rates, max_norm), batched.step(rates, max_norm)))
        torch.testing.assert_close(batched.parameters_RP, each.parameters_RP, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(*map(torch.stack, zip(*norms, strict=True)))
    assert each.state_dict().keys() == batched.state_dict().keys()


def test_a_batched_update_takes_as_many_operations_for_many_runs_as_for_one():
    def operations(n_runs):
        module = Toy(seeds=list(range(n_runs)))
        optimizer = flat(module, n_runs=n_runs, batched=True)
        optimizer.backward(module(DATA[0]))
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            optimizer.step([0.01] * n_runs, 0.05)
        return sum(event.name.startswith("aten::") for event in profile.events())

    assert operations(16) == operations(1)


def test_a_diverged_run_leaves_the_others_alone():
    broken, whole = Toy(seeds=[0, 1]), Toy(seeds=[0, 1])
    with torch.no_grad():
        broken.first[0] = torch.nan
    for module in (broken, whole):
        train(module, flat(module, n_runs=2), [0.01, 0.01], max_norm=0.05)
    assert torch.isnan(broken.second[0]).all()
    assert all(torch.equal(a[1], b[1]) for a, b in zip(broken.parameters(), whole.parameters(), strict=True))


def test_backward_accumulates_micro_batches():
    module = Toy()
    optimizer = flat(module)
    for i, x in enumerate(DATA):
        optimizer.backward(module(x).reshape(-1) / len(DATA), accumulate=i > 0)
    summed = optimizer.gradients_RP.clone()
    optimizer.backward(torch.stack([module(x) for x in DATA]).mean().reshape(-1))
    torch.testing.assert_close(summed, optimizer.gradients_RP)


def test_a_saved_state_continues_bit_for_bit():
    first = Toy()
    optimizer = flat(first)
    train(first, optimizer, [0.01])
    state = {name: tensor.clone() for name, tensor in optimizer.state_dict().items()}
    train(first, optimizer, [0.01])
    second = Toy(seeds=None)
    resumed = flat(second)
    resumed.load_state_dict(state)
    train(second, resumed, [0.01])
    assert torch.equal(optimizer.parameters_RP, resumed.parameters_RP)


class OneOfTwo(Ranks):
    """A process of two that has nothing to say to the other."""

    def __init__(self, rank):
        self.size, self.rank = 2, rank


def test_a_part_of_the_moments_is_loaded_from_whole_ones():
    whole = Toy(seeds=[0, 1])
    optimizer = flat(whole, n_runs=2)
    train(whole, optimizer, [0.01, 0.02])
    state = optimizer.state_dict()
    parts = [flat(Toy(seeds=[0, 1]), n_runs=2, ranks=OneOfTwo(rank)) for rank in (0, 1)]
    for part in parts:
        part.load_state_dict(state)
        assert torch.equal(part.own_state()["parameters_RP"], state["parameters_RP"])
    joined = torch.cat([part.own_state()["mean_RP"] for part in parts], 1)
    assert torch.equal(joined[:, : state["mean_RP"].shape[1]], state["mean_RP"])
    assert parts[0].own_state()["mean_RP"].numel() < state["mean_RP"].numel()


def test_refuses_a_state_of_another_shape():
    state = flat(Toy()).state_dict()
    with pytest.raises(ValueError, match="parameters_RP"):
        flat(Toy(seeds=[0, 1]), n_runs=2).load_state_dict(state)


def test_every_parameter_needs_a_rule():
    with pytest.raises(ValueError, match="bias"):
        FlatAdamW(Toy(), {"first": UpdateRule(), "second": UpdateRule()}, **SETTINGS)
