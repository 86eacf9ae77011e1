"""Coordinate check (Yang et al. 2022, arXiv 2203.03466, appendix D.1).

With muP what each place of the network adds keeps its scale over the first steps whatever the width, which is what lets
a learning rate transfer.
"""

import functools

import numpy as np
import pytest
import torch

from scaling_harness.config.schema import ModelConfig
from scaling_harness.models.decoder import Decoder
from scaling_harness.training.flat_adamw import FlatAdamW

WIDTHS = (16, 32, 64, 128, 256)
STEPS, SEEDS = 4, (0, 1)
VOCABULARY, N_CTX, N_SEQS = 64, 16, 4
LR = 0.01
GROWS, SHRINKS = 0.1, -0.4
"""Slopes of ln rms against ln width that are allowed at any step; a matrix that learns too fast by the width has 1, too
slow by it -1. Attention has -.3 over these widths, -.2 from 128 to 256: a narrow model adds up more by chance."""


@functools.cache
def batches():
    """Sequences in which each token says a good deal of the next: steps, sequences, time."""
    rng = np.random.default_rng(0)
    tokens = np.cumsum(rng.choice([1, 2, 5], (STEPS, N_SEQS, N_CTX + 1)), axis=-1) % VOCABULARY
    return torch.from_numpy(tokens)[:, None].expand(-1, len(SEEDS), -1, -1)


@torch.no_grad()
def activations(model):
    """The embedding, what attention and MLP of the last block add to it, and the logits, of the first batch."""
    inputs = []
    last = model.blocks[-1]
    hook = last.register_forward_pre_hook(lambda _, args: inputs.extend(args))
    logits = model(batches()[0, :, :, :-1])
    hook.remove()
    before = inputs[0]
    after = last(*inputs)
    down = last.down.clone()
    last.down.zero_()
    between = last(*inputs)
    last.down.copy_(down)
    embedding = model.embedding.flatten(1)
    return {"embedding": embedding, "attention": between - before, "mlp": after - between, "logits": logits}


def rms_by_step(parametrisation, width, lr, parts):
    """Rms after 1, 2, ... steps; of the logits, which start as random sums, that of their change."""
    shape = ModelConfig(
        n_layer=2, d_model=width, n_ctx=N_CTX, parametrisation=parametrisation, d_head=16, token_shift=1, **parts
    )
    model = Decoder(shape, VOCABULARY, SEEDS)
    rules = model.update_rules()
    optimizer = FlatAdamW(model, rules, n_runs=len(SEEDS), betas=(0.9, 0.99), eps=1e-10, weight_decay=0.0)
    first = activations(model)["logits"]
    for batch_RBT in batches():
        optimizer.backward(model.loss(batch_RBT[..., :-1], batch_RBT[..., 1:]))
        optimizer.step([lr] * len(SEEDS))
        now = activations(model)
        now["logits"] = now["logits"] - first
        yield {name: x.square().mean().sqrt().item() for name, x in now.items()}


def slopes(parametrisation, lr_at, **parts):
    """Slope of ln rms against ln width, by activation, one a step."""
    rows = [list(rms_by_step(parametrisation, width, lr_at(width), parts)) for width in WIDTHS]
    return {
        name: [np.polyfit(np.log(WIDTHS), np.log([row[k][name] for row in rows]), 1)[0] for k in range(STEPS)]
        for name in rows[0][0]
    }


@pytest.mark.parametrize("parts", [{}, {"norm": "layer", "activation": "gelu"}])
def test_with_mup_activations_keep_their_scale_whatever_the_width(parts):
    for name, by_step in slopes("mup", lambda width: LR, **parts).items():
        assert max(by_step) < GROWS, name
        assert min(by_step) > SHRINKS, name


@pytest.mark.parametrize("name", ["attention", "mlp", "logits"])
def test_in_the_standard_parametrisation_they_grow(name, standard):
    assert min(standard[name]) > 0.6


@pytest.fixture(scope="module")
def standard():
    return slopes("standard", lambda width: LR)


def test_a_rate_that_falls_with_the_width_is_seen():
    """What muP would be with its division by the width made twice."""
    found = slopes("mup", lambda width: LR * WIDTHS[0] / width)
    assert max(found["attention"]) < -0.8
    assert max(found["mlp"]) < -0.6


@pytest.mark.parametrize("width", [16, 64, 128])
def test_weight_decay_acts_as_64_over_the_width_on_matrices(width):
    """One step without a gradient leaves 1 - lr x decay x 64 / d of a matrix, and the embedding its own share."""
    shape = ModelConfig(n_layer=1, d_model=width, n_ctx=N_CTX, parametrisation="mup", d_head=16, token_shift=1)
    model = Decoder(shape, VOCABULARY, SEEDS)
    rules = model.update_rules()
    optimizer = FlatAdamW(model, rules, n_runs=len(SEEDS), betas=(0.9, 0.99), eps=1e-10, weight_decay=0.1)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer.backward(0 * sum(value.sum() for value in model.parameters()))
    optimizer.step([0.01] * len(SEEDS))
    shares = {name: (value / before[name]).nanmean().item() for name, value in model.named_parameters()}
    assert shares["head"] == pytest.approx(1 - 0.01 * 0.1 * 64 / width, abs=1e-6)
    assert shares["embedding"] == pytest.approx(1 - 0.01 * 0.1 * 10, abs=1e-6)
