import numpy as np
import pytest

from analysis.validation.text_noise import text_noise

R, B = 40, 64


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.5, (1, B)), rng.normal(0, 0.04, (R, B))


def test_what_all_runs_share_is_none_of_it(parts):
    common, _ = parts
    assert text_noise(2.0 + common + np.zeros((R, 1))) == pytest.approx(0, abs=1e-12)


def test_it_is_the_standard_error_of_what_runs_do_not_share(parts):
    common, own = parts
    found = text_noise(2.0 + common + own)
    exact = own.std(axis=1, ddof=1).mean() / np.sqrt(B) / 2.0
    assert found == pytest.approx(exact, rel=0.05)


def test_blocks_that_hang_together_count_as_such(parts):
    _, own = parts
    pairs = np.repeat(own[:, : B // 2], 2, axis=1)
    as_blocks = pairs.reshape(R, B // 2, 2).mean(axis=2)
    assert text_noise(2.0 + as_blocks) == pytest.approx(np.sqrt(2) * text_noise(2.0 + pairs), rel=0.05)


@pytest.mark.parametrize("blocks", [[], [[1.0] * 64], [[1.0] * 4] * 3, [[1.0] * 64, [1.0] * 32], [[], []]])
def test_too_few_runs_or_blocks_give_none(blocks):
    assert text_noise(blocks) is None
