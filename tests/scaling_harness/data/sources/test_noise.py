import numpy as np
import pytest

from scaling_harness.config.known_entropy import BackOffData
from scaling_harness.data.generated import process_of
from scaling_harness.data.sources.noise import Noise
from scaling_harness.data.sources.process import entropy, uniforms

S = 9


@pytest.fixture
def source():
    return process_of(BackOffData(n_tokens=6, order=2))


def noisy(noise, source, n):
    clean = source.sequences(uniforms([1], np.arange(n), source.n_draws(S)), S)
    return clean, noise.mixed(clean, uniforms([2], np.arange(n), 2 * S))


def test_noise_stands_between_the_tokens_of_the_source(source):
    clean, tokens = noisy(Noise(0.3, 4, 6), source, 500)
    assert (tokens[:, 0] < 6).all()
    assert (tokens[:, 1:] >= 6).mean() == pytest.approx(0.3, abs=0.03)
    for before, after in zip(clean, tokens, strict=True):
        kept = after[after < 6]
        np.testing.assert_array_equal(kept, before[: len(kept)])


def test_the_law_of_what_comes_next_and_its_entropy(source):
    noise = Noise(0.3, 4, 6)
    _, tokens = noisy(noise, source, 4000)
    probs = noise.probs(tokens, source.probs(noise.without(tokens)))
    np.testing.assert_allclose(probs.sum(-1), 1)
    surprise = -np.log(np.take_along_axis(probs, tokens[:, 1:, None], -1)[..., 0])
    exact = noise.entropies(source.entropies(S))
    np.testing.assert_allclose(surprise.mean(0), exact, atol=4 * surprise.std() / 4000**0.5)
    np.testing.assert_allclose(entropy(probs).mean(0), exact, atol=0.03)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_at_the_ends_there_is_no_noise_or_nothing_else(source, rate):
    noise = Noise(rate, 4, 6)
    clean, tokens = noisy(noise, source, 5)
    expected = source.entropies(S) if rate == 0 else np.full(S - 1, np.log(4))
    np.testing.assert_allclose(noise.entropies(source.entropies(S)), expected)
    assert np.array_equal(tokens, clean) if rate == 0 else (tokens[:, 1:] >= 6).all()


def test_the_shift_is_the_closed_form():
    """Of a source of constant entropy h the noise makes H(p) + p ln m + (1 - p) h."""
    shifted = Noise(0.25, 8, 6).entropies(np.full(5, 1.5))
    by_hand = -0.25 * np.log(0.25) - 0.75 * np.log(0.75) + 0.25 * np.log(8) + 0.75 * 1.5
    np.testing.assert_allclose(shifted, by_hand)
