import weakref

import pytest
import torch
import torch.nn.functional as F
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.aot_autograd import make_boxed_func
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scaling_harness.models import fused_ops as functions
from scaling_harness.models import logit_rows
from scaling_harness.models.decoder import fused_rotary_attention
from scaling_harness.models.fused_ops import linear_cross_entropy, rms_norm, rotary_attention, squared_relu, token_shift


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double).requires_grad_()


def rotation(n_ctx, n_pairs):
    angles = torch.outer(torch.arange(n_ctx, dtype=torch.double), torch.arange(1, n_pairs + 1, dtype=torch.double))
    return torch.polar(torch.ones_like(angles), angles)


def test_rms_norm_is_pytorchs():
    x = random(2, 3, 8)
    torch.testing.assert_close(rms_norm(x), F.rms_norm(x, (8,), eps=0.0))
    assert torch.autograd.gradcheck(rms_norm, x)


def test_rms_norm_of_zero_is_zero():
    assert not rms_norm(torch.zeros(2, 4)).any()


def test_squared_relu():
    x = random(3, 7)
    torch.testing.assert_close(squared_relu(x), F.relu(x).square())
    assert torch.autograd.gradcheck(squared_relu, x)


@pytest.mark.parametrize("block", [None, 2, 8])
def test_rotary_attention_gradient(block):
    qkv = random(2, 5, 3, 2, 4)
    assert torch.autograd.gradcheck(lambda x: rotary_attention(x, rotation(5, 2), 0.7, block), qkv)


@pytest.mark.parametrize("block", [None, 2, 8])
def test_rotary_attention_is_that_of_the_fused_kernel(block):
    qkv = random(3, 9, 3, 2, 8)
    ours = rotary_attention(qkv, rotation(9, 4), 1.3, block)
    torch.testing.assert_close(ours, fused_rotary_attention(qkv, rotation(9, 4), 1.3))


def test_rotary_attention_sees_only_distances():
    """The same q, k, v at every position, shifted in time: the logits depend on the distance alone."""
    qkv = random(1, 6, 3, 1, 4)
    early, late = rotation(12, 2)[:6], rotation(12, 2)[6:]
    torch.testing.assert_close(rotary_attention(qkv, early, 1.0), rotary_attention(qkv, late, 1.0))


@pytest.mark.parametrize("block", [None, 4])
def test_attention_in_parts_is_the_same_to_the_bit(monkeypatch, block):
    qkv = random(3, 9, 3, 2, 8).float().detach().requires_grad_()
    turn = rotation(9, 4).to(torch.complex64)

    def found():
        mixed = rotary_attention(qkv, turn, 1.3, block)
        return mixed, torch.autograd.grad(mixed.square().sum(), qkv)[0]

    whole = found()
    monkeypatch.setattr(functions, "_CACHED_WEIGHTS", 4 * 9 * 9)
    assert all(torch.equal(a, b) for a, b in zip(whole, found(), strict=True))


def test_token_shift_reads_earlier_positions():
    x = random(2, 3, 8)
    assert torch.autograd.gradcheck(lambda x: token_shift(x, 4), x)
    shifted = token_shift(x, 4)
    assert torch.equal(shifted[..., :2], x[..., :2])
    assert torch.equal(shifted[:, 2, 4:6], x[:, 0, 4:6])
    assert not shifted[:, :2, 4:6].any()
    assert not shifted[..., 6:].any()


def test_linear_cross_entropy_is_pytorchs_for_each_run():
    x, head = random(2, 5, 4), random(2, 4, 7, seed=1)
    target = torch.randint(7, (2, 5), generator=torch.Generator().manual_seed(2))
    expected = torch.stack([F.cross_entropy(x[r] @ head[r], target[r]) for r in range(2)])
    torch.testing.assert_close(linear_cross_entropy(x, head, target), expected)
    weights = torch.tensor([1.0, 3.0], dtype=torch.double)
    ours = torch.autograd.grad(linear_cross_entropy(x, head, target), (x, head), weights)
    reference = torch.autograd.grad((expected * weights).sum(), (x, head))
    torch.testing.assert_close(ours, reference)


def test_linear_cross_entropy_of_a_token_without_probability_is_finite():
    x, head = torch.tensor([[[1.0]]]), torch.tensor([[[0.0, 1000.0]]])
    assert linear_cross_entropy(x, head, torch.tensor([[0]])).item() == 1000.0


class Peak(TorchDispatchMode):
    """Largest number of bytes in tensors that operations made and that were alive at once."""

    def __init__(self):
        super().__init__()
        self.alive, self.bytes = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in (x for x in tree_leaves(result) if isinstance(x, torch.Tensor)):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.alive:
                self.alive[storage.data_ptr()] = storage.nbytes()
                weakref.finalize(storage, self.alive.pop, storage.data_ptr(), None)
        self.bytes = max(self.bytes, sum(self.alive.values()))
        return result


def test_a_large_vocabulary_needs_no_logits_of_all_positions():
    """V = 50,257 of GPT-2, as many positions as a small GPU batch has: the gradients, and a few positions' logits."""
    N, D, V = 1024, 8, 50_257
    x, head = torch.randn(1, N, D, requires_grad=True), torch.randn(1, D, V, requires_grad=True)
    target = torch.randint(V, (1, N))
    with Peak() as peak:
        loss = linear_cross_entropy(x, head, target)
        gradients = torch.autograd.grad(loss.sum(), (x, head))
    assert peak.bytes < 4 * N * V
    expected = F.cross_entropy(torch.bmm(x, head)[0], target[0])
    torch.testing.assert_close(loss[0], expected)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, (x, head)))


def test_a_small_vocabulary_keeps_its_bits(monkeypatch):
    """Of every position at once, whatever their number; a large one gives the same within rounding."""
    x, head, target = torch.randn(2, 600, 4), torch.randn(2, 4, 96), torch.randint(96, (2, 600))
    whole = linear_cross_entropy(x, head, target)
    monkeypatch.setattr(logit_rows, "_LOGITS_AT_ONCE", 1)
    assert torch.equal(linear_cross_entropy(x, head, target), whole)
    monkeypatch.setattr(logit_rows, "LARGE_VOCAB", 95)
    by_rows = linear_cross_entropy(x, head, target)
    torch.testing.assert_close(by_rows, whole)
    assert logit_rows.logit_rows(2, 96, 600) == 128


def test_a_gpu_holds_more_logits_at_once(monkeypatch):
    rows = logit_rows.logit_rows(4, 32_768, 1 << 19, on_gpu=True)
    assert 4 * rows * 32_768 == 1 << 28
    assert rows == 16 * logit_rows.logit_rows(4, 32_768, 1 << 19)


def calls(module):
    """Names of what a traced program calls, with those of the programs in it."""
    for part in module.modules():
        if isinstance(part, torch.fx.GraphModule):
            yield from (str(node.target) for node in part.graph.nodes if node.op.startswith("call"))


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
@pytest.mark.parametrize("low", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("n_parts", [2, 40])
def test_a_compiler_sees_one_operation_however_many_parts_the_head_has(monkeypatch, n_parts, low):
    monkeypatch.setattr(logit_rows, "LARGE_VOCAB", 95)
    monkeypatch.setattr(logit_rows, "_LOGITS_AT_ONCE", 1)
    N, D, V = 128 * n_parts - 28, 4, 96
    states = torch.randn(2, N, D, requires_grad=True)
    tied = torch.randn(2, V, D, requires_grad=True)
    target, graphs = torch.randint(V, (2, N)), []

    def loss(states_RND, tied_RVD):
        return linear_cross_entropy(rms_norm(states_RND), tied_RVD.transpose(1, 2), target)

    def found(function):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss_R = function(states, tied)
        return loss_R, *torch.autograd.grad(loss_R.sum(), (states, tied))

    torch.compiler.reset()
    keep = aot_autograd(fw_compiler=lambda graph, _: graphs.append(graph) or make_boxed_func(graph.forward))
    fast = found(torch.compile(loss, backend=keep, fullgraph=True, dynamic=False))
    called = [name for graph in graphs for name in calls(graph)]
    assert len([name for name in called if "losses_by_rows" in name]) == 1
    assert len(called) < 60
    assert not [name for name in called if "bmm" in name]
    torch.testing.assert_close(fast, found(loss), rtol=0, atol=0)
