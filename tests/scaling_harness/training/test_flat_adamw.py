import pytest
import torch
from torch import nn

from scaling_harness.models.language_model import UpdateRule
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


def test_refuses_a_state_of_another_shape():
    state = flat(Toy()).state_dict()
    with pytest.raises(ValueError, match="parameters_RP"):
        flat(Toy(seeds=[0, 1]), n_runs=2).load_state_dict(state)


def test_every_parameter_needs_a_rule():
    with pytest.raises(ValueError, match="bias"):
        FlatAdamW(Toy(), {"first": UpdateRule(), "second": UpdateRule()}, **SETTINGS)
