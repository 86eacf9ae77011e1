import copy
from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scaling_harness.config.schema import ModelConfig
from scaling_harness.models.decoder import Decoder
from scaling_harness.models.language_model import UserModule
from scaling_harness.models.param_flop_counts import GROUPS, matmul_flops_per_token
from scaling_harness.models.registry import describe
from scaling_harness.training.flat_adamw import FlatAdamW

VOCAB = 19
PARAMETRISATIONS = ["mup", "standard"]


def shape(parametrisation="mup", **changes):
    fields = {"n_layer": 2, "d_model": 16, "n_head": 2, "n_ctx": 12, "d_ff_ratio": 3.0}
    fields |= {"token_shift": 4 if parametrisation == "mup" else 1} | changes
    return ModelConfig(parametrisation=parametrisation, **fields)


def batch(n_runs, n_seqs=2, n_ctx=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCAB, (n_runs, n_seqs, n_ctx + 1), generator=generator)
    return ids[..., :-1], ids[..., 1:]


def shaken(model, seed=0):
    """Every parameter away from its start: zeros hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


class Naive(nn.Module):
    """The same architecture as one writes it without a run axis: nn.Linear, explicit loops, a mask, softmax."""

    def __init__(self, model, config, run):
        super().__init__()
        self.config, self.own_head = config, config.parametrisation == "mup"
        self.rms, self.rotary, self.gelu = (
            kind == other for kind, other in zip(config.parts, ("rms", "rotary", "gelu"), strict=True)
        )
        weights = {name: parameter[run].detach() for name, parameter in model.named_parameters()}
        self.weights = weights
        self.linears = nn.ModuleDict()
        for name, weight in weights.items():
            if name.split(".")[-1] in ("qkv", "out", "up", "down", "head"):
                linear = nn.Linear(*weight.shape, bias=False)
                linear.weight = nn.Parameter(weight.T.clone())
                self.linears[name.replace(".", "_")] = linear

    def norm(self, x, gain):
        if self.rms:
            return self.by_rms(x)
        return F.layer_norm(x, x.shape[-1:], self.weights[gain])

    def by_rms(self, x):
        return x / x.square().mean(-1, keepdim=True).sqrt()

    def rotate(self, x):
        """Neighbouring pairs by position * 10000^(-2 i / K)."""
        K = x.shape[-1]
        angles = torch.outer(torch.arange(x.shape[-2]), 10_000.0 ** (-torch.arange(0, K, 2) / K))
        even, odd = x[..., ::2], x[..., 1::2]
        pairs = (even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos())
        return torch.stack(pairs, -1).flatten(-2)

    def attention(self, x, block):
        B, T, D = x.shape
        H = self.config.heads
        K = D // H
        qkv = self.linears[f"blocks_{block}_qkv"](x).chunk(3, -1)
        q, k, v = (z.view(B, T, H, K).transpose(1, 2) for z in qkv)
        scale = K**-0.5
        if self.rotary:
            q, k = (self.rotate(self.by_rms(z)) for z in (q, k))
            scale = 8 / K
        logits = (q @ k.transpose(-1, -2) * scale).masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
        return self.linears[f"blocks_{block}_out"]((logits.softmax(-1) @ v).transpose(1, 2).reshape(B, T, D))

    def forward(self, tokens):
        x = torch.zeros(*tokens.shape, self.config.d_model)
        part = self.config.d_model // self.config.token_shift
        for j in range(self.config.token_shift):
            channels = slice(j * part, (j + 1) * part)
            for position in range(j, tokens.shape[1]):
                x[:, position, channels] = self.weights["embedding"][tokens[:, position - j], channels]
        x = x if self.rotary else x + self.weights["position"][: tokens.shape[1]]
        for i in range(self.config.n_layer):
            x = x + self.attention(self.norm(x, f"blocks.{i}.attention_gain"), i)
            hidden = self.linears[f"blocks_{i}_up"](self.norm(x, f"blocks.{i}.mlp_gain"))
            hidden = F.gelu(hidden) if self.gelu else hidden.relu() ** 2
            x = x + self.linears[f"blocks_{i}_down"](hidden)
        x = self.norm(x, "final_gain")
        return self.linears["head"](x) if self.own_head else x @ self.weights["embedding"].T


@pytest.mark.parametrize(
    ("parametrisation", "changes"),
    [
        ("mup", {}),
        ("standard", {}),
        ("mup", {"norm": "layer", "activation": "gelu"}),
        ("standard", {"norm": "rms", "positions": "rotary"}),
        ("standard", {"positions": "rotary", "activation": "squared_relu"}),
    ],
)
def test_each_run_is_the_naive_model(parametrisation, changes):
    config = shape(parametrisation, **changes)
    model = shaken(Decoder(config, VOCAB, seeds=[3, 4]))
    tokens, targets = batch(2)
    for run in range(2):
        logits = Naive(model, config, run)(tokens[run])
        torch.testing.assert_close(model(tokens)[run], logits, rtol=1e-4, atol=1e-5)
        expected = F.cross_entropy(logits.flatten(0, 1), targets[run].flatten())
        torch.testing.assert_close(model.loss(tokens, targets)[run], expected)


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_gradients_are_those_of_the_token_losses(parametrisation):
    """`loss` and the short-context kernels write their gradients by hand; `token_losses` of one run does not."""
    model = shaken(Decoder(shape(parametrisation), VOCAB, seeds=[0])).double()
    tokens, targets = batch(1)
    by_hand = torch.autograd.grad(model.loss(tokens, targets).sum(), list(model.parameters()))
    by_torch = torch.autograd.grad(model.token_losses(tokens, targets).mean(), list(model.parameters()))
    torch.testing.assert_close(by_hand, by_torch, rtol=1e-4, atol=1e-6)


def test_a_context_shorter_than_the_token_shift_reads_what_there_is():
    model = shaken(Decoder(shape(token_shift=4), VOCAB, seeds=[0]))
    tokens, _ = batch(1)
    torch.testing.assert_close(model(tokens)[..., :2, :], model(tokens[..., :2]))


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_the_future_is_not_seen(parametrisation):
    model = shaken(Decoder(shape(parametrisation), VOCAB, seeds=[0]))
    tokens, _ = batch(1)
    changed = tokens.clone()
    changed[..., 7:] = (changed[..., 7:] + 1) % VOCAB
    assert torch.equal(model(tokens)[..., :7, :], model(changed)[..., :7, :])
    assert not torch.equal(model(tokens)[..., 7, :], model(changed)[..., 7, :])


def trained(seeds, parametrisation, n_steps=50):
    """Losses and gradient norms (step, 2, R), with data and learning rate of each run's own."""
    model = Decoder(shape(parametrisation, d_model=32), VOCAB, seeds)
    settings = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}
    optimizer = FlatAdamW(model, model.update_rules(), n_runs=len(seeds), **settings)
    curve = []
    for step in range(n_steps):
        tokens, targets = (torch.cat(part) for part in zip(*(batch(1, seed=99 * s + step) for s in seeds), strict=True))
        loss_R = model.loss(tokens, targets)
        optimizer.backward(loss_R)
        norm_R = optimizer.step([0.003 * (1 + seed) for seed in seeds], max_norm=0.5)
        curve.append(torch.stack((loss_R.detach(), norm_R)))
    return torch.stack(curve)


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_a_run_in_a_stack_is_bit_for_bit_the_run_alone(parametrisation, one_thread):
    stack = trained([0, 1, 2], parametrisation)
    for run in range(3):
        assert torch.equal(stack[..., run], trained([run], parametrisation)[..., 0])


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d_model": 24, "n_head": 1, "d_ff_ratio": 2.5, "n_layer": 1},
        {"norm": "rms"},
        {"norm": "layer"},
        {"positions": "rotary", "activation": "gelu"},
    ],
)
def test_parameters_are_those_counted_without_torch(parametrisation, changes):
    config = shape(parametrisation, **changes)
    model = Decoder(config, VOCAB, seeds=[0, 1])
    by_group = dict.fromkeys(GROUPS, 0)
    for name, parameter in model.named_parameters():
        by_group[model.group_of(name)] += parameter.numel() // 2
    assert by_group == describe(config, VOCAB).params


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_starts_as_the_parametrisation_says(parametrisation):
    config = shape(parametrisation, d_model=256, n_head=8)
    model = Decoder(config, 512, seeds=[0])
    spread = {name.split(".")[-1]: parameter.std().item() for name, parameter in model.named_parameters()}
    mup = {"embedding": 1.0, "qkv": 1 / 16, "out": 0.0, "up": 1 / 16, "down": 0.0, "head": 1 / 256}
    standard = {"embedding": 0.02, "position": 0.02, "qkv": 0.02, "out": 0.01, "up": 0.02, "down": 0.01}
    gains = dict.fromkeys(("attention_gain", "mlp_gain", "final_gain"), 0.0)
    assert spread == pytest.approx(mup if parametrisation == "mup" else standard | gains, rel=0.03)
    if parametrisation == "standard":
        assert model.final_gain.eq(1).all()


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_bfloat16_autocast_stays_close(parametrisation):
    model = shaken(Decoder(shape(parametrisation), VOCAB, seeds=[0, 1]))
    tokens, targets = batch(2)
    exact = model.loss(tokens, targets)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.loss(tokens, targets)
    torch.testing.assert_close(rounded.float(), exact, rtol=0.02, atol=0)
    gradients = torch.autograd.grad(rounded.sum(), list(model.parameters()))
    for ours, exact_one in zip(gradients, torch.autograd.grad(exact.sum(), list(model.parameters())), strict=True):
        assert (ours - exact_one).norm() < 0.1 * exact_one.norm()


class Dtypes(TorchDispatchMode):
    """Dtypes of the floating tensors that each operation takes and makes."""

    def __init__(self):
        super().__init__()
        self.seen = defaultdict(set)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, result)) if isinstance(x, torch.Tensor) and x.is_floating_point()]
        self.seen[func.overloadpacket.__name__.strip("_")] |= {x.dtype for x in tensors}
        return result


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_autocast_rounds_products_and_nothing_that_sums(parametrisation):
    """Operation by operation: matrix products and attention in bfloat16; norms, softmax and loss in float32."""
    model = shaken(Decoder(shape(parametrisation), VOCAB, seeds=[0, 1]))
    with Dtypes() as dtypes, torch.autocast("cpu", torch.bfloat16):
        loss_R = model.loss(*batch(2))
    seen = dtypes.seen
    low, high = {torch.bfloat16}, {torch.float32}
    assert seen["bmm"] == low
    assert all(low == kinds - high for name, kinds in seen.items() if name.startswith("scaled_dot_product"))
    sums = {"softmax", "log", "mean", "linalg_vector_norm", "reciprocal", "amax", "native_layer_norm"} & set(seen)
    assert len(sums) >= 4
    assert {name: seen[name] for name in sums if seen[name] != high} == {}
    assert loss_R.dtype == torch.float32
    assert {g.dtype for g in torch.autograd.grad(loss_R.sum(), list(model.parameters()))} == high
    with torch.autocast("cpu", torch.bfloat16):
        assert model.hidden(batch(2)[0]).dtype == torch.float32, "the residual stream was rounded at every block"


@pytest.mark.parametrize("parametrisation", PARAMETRISATIONS)
def test_recomputed_activations_give_the_same_numbers_and_are_not_kept(parametrisation):
    model, kept = shaken(Decoder(shape(parametrisation), VOCAB, seeds=[0, 1])), []
    results = []
    for loss in (model.loss, model.loss_recomputing):
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, saved=saved: saved.append(x.numel()) or x, lambda x: x):
            loss_R = loss(*batch(2))
        kept.append(sum(saved))
        results.append((loss_R, *torch.autograd.grad(loss_R.sum(), list(model.parameters()))))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert kept[1] < 0.5 * kept[0]


def test_mup_rates_scale_with_width():
    rates = {d: Decoder(shape(d_model=d), VOCAB, [0]).update_rules() for d in (64, 128)}
    assert rates[64]["blocks.0.qkv"].lr_multiplier == 1.0
    assert rates[128]["blocks.0.qkv"].lr_multiplier == rates[128]["head"].lr_multiplier == 0.5
    assert rates[128]["embedding"].lr_multiplier == rates[64]["embedding"].lr_multiplier == 10.0


def test_real_matrix_products_are_those_counted():
    flop_counter = pytest.importorskip("torch.utils.flop_counter")
    config = shape()
    model = Decoder(config, VOCAB, seeds=[0])
    tokens, targets = batch(1)
    with flop_counter.FlopCounterMode(display=False) as counter:
        model.loss(tokens, targets).sum().backward()
    size = (config.n_layer, config.d_model, config.d_ff, config.n_ctx, VOCAB)
    assert counter.get_total_flops() == matmul_flops_per_token(*size) * tokens.numel()


def test_a_users_module_trains_as_one_run():
    module = nn.Sequential(nn.Embedding(VOCAB, 8), nn.Linear(8, VOCAB))
    model = UserModule(module, {"0.weight": 5.0})
    assert model.update_rules()["module.0.weight"].lr_multiplier == 5.0
    assert not model.update_rules()["module.1.bias"].decay
    tokens, targets = batch(1)
    expected = F.cross_entropy(module(tokens[0]).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(model.loss(tokens, targets), expected[None])


def test_unknown_learning_rates_are_refused():
    with pytest.raises(ValueError, match="missing"):
        UserModule(nn.Linear(2, 2), {"missing": 2.0})


def with_options(**options):
    shape = ModelConfig(2, 16, 8, "mup", n_head=2, options=options)
    return Decoder(shape, 17, [3, 4])


def test_dropout_draws_for_each_run_what_it_would_alone_and_resumes():
    """A row's draws depend on its seed and on the number of passes before."""
    tokens = torch.arange(32).view(2, 2, 8) % 17
    both = with_options(dropout=0.3)
    alone = Decoder(ModelConfig(2, 16, 8, "mup", n_head=2, options={"dropout": 0.3}), 17, [4])
    first, second = both(tokens), both(tokens)
    assert not torch.equal(first, second)
    torch.testing.assert_close(alone(tokens[1:])[0], first[1])
    resumed = with_options(dropout=0.3)
    resumed.load_running_state({"n_forwards": torch.tensor(1)})
    assert torch.equal(resumed(tokens), second)
    assert int(both.running_state()["n_forwards"]) == 2
    both.eval()
    assert torch.equal(both(tokens), both(tokens))
    assert torch.equal(both.alone(1)(tokens[1:])[0], both(tokens)[1])
    assert int(both.n_forwards) == 2


def test_dropout_keeps_the_mean_of_the_states():
    model = with_options(dropout=0.25)
    drop = model._drop(2)
    states = drop(torch.ones(2, 500, 16))
    assert states.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float(states.mean()) == pytest.approx(1.0, abs=0.02)


def test_without_dropout_nothing_is_kept_for_a_checkpoint():
    assert with_options().running_state() == {}
    assert not with_options().run_buffers


def test_passes_apply_the_same_blocks_again():
    once, twice = with_options(), with_options(passes=2)
    assert sum(p.numel() for p in once.parameters()) == sum(p.numel() for p in twice.parameters())
    tokens = torch.arange(32).view(2, 2, 8) % 17
    with torch.no_grad():
        for model in (once, twice):
            for parameter in model.parameters():
                parameter.fill_(0.01)
            model.embedding.copy_(torch.arange(2 * 17 * 16).view(2, 17, 16) / 100)
        unrolled = copy.deepcopy(once)
        unrolled.blocks.extend(copy.deepcopy(block) for block in once.blocks)
    assert torch.equal(twice(tokens), unrolled(tokens))
    assert not torch.equal(twice(tokens), once(tokens))
