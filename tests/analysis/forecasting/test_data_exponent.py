"""alpha_D from statistics of a known power law."""

import numpy as np
import pytest

from analysis.forecasting.data_exponent import predict
from scaling_harness.errors import HarnessError
from scaling_harness.record.corpus_statistics import ContextEntropy, CorpusStatistics, LagCorrelation


def statistics(gamma=0.5, beta=0.8, limit=0.9, width=0.004, known=False, n=8, error=1e-5, noise=0.05):
    rng = np.random.default_rng(3)
    entropies = [limit + 1.4 * k**-gamma for k in range(1, n + 1)]
    norms = 0.05 * np.arange(1, 20.0) ** -beta * np.exp(noise * rng.standard_normal(19))
    return CorpusStatistics(
        "id",
        "made",
        64,
        10**6,
        tuple(ContextEntropy(k, h - width, h + width) for k, h in enumerate(entropies, 1)),
        tuple(LagCorrelation(k, norm, error) for k, norm in enumerate(norms, 1)),
        limit if known else None,
    )


@pytest.mark.parametrize("known", [False, True])
def test_the_exponent_of_a_known_law_lies_in_its_interval(known):
    found = predict(statistics(known=known))
    for estimate, truth in ((found.gamma, 0.5), (found.beta, 0.8), (found.alpha_d, 0.5 / 1.6)):
        assert estimate.ci95[0] < truth < estimate.ci95[1]
    assert found.contexts == tuple(range(1, 9))
    assert f"above a {'known' if known else 'fitted'} limit of" in found.sentence()


def test_entropies_whose_bounds_part_and_correlations_in_noise_are_not_used():
    given = statistics()
    entropies = (*given.entropies[:5], ContextEntropy(6, 0.5, 1.4), *given.entropies[6:])
    correlations = (*given.correlations[:9], LagCorrelation(10, 2e-5, 1e-5), *given.correlations[10:])
    found = predict(CorpusStatistics("id", "made", 64, 1, entropies, correlations))
    assert found.contexts == (1, 2, 3, 4, 5)
    assert found.lags == tuple(range(1, 10))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (statistics(n=3), "gamma needs the entropies of 4 contexts, 3 can be used"),
        (statistics(width=0.4), "at n = 1 their bounds .* lie too far apart: count more tokens"),
        (statistics(gamma=9.0, known=True), "they have reached the limit of 0.9 nats: no power law"),
        (statistics(error=0.01), "beta needs correlations above noise at 3 distances, there are 1"),
        (statistics(beta=0.0), "correlations do not fall with the distance"),
    ],
)
def test_what_gives_no_power_law_is_said(given, message):
    with pytest.raises(HarnessError, match=message):
        predict(given)
