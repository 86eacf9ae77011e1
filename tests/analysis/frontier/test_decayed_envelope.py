import numpy as np
import pandas as pd
import pytest

from analysis.frontier.approaches import AS_PUBLISHED, three_approaches
from analysis.frontier.decayed_envelope import decayed_curves, decayed_envelope, winning_sizes
from analysis.frontier.verdict import SAME_LOSSES, verdict
from analysis.laws.chinchilla import chinchilla
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs

BUDGETS = 4e10 * 2.0 ** np.arange(7)
SIZES = 1e4 * 1.35 ** np.arange(16)


@pytest.fixture
def band(truth):
    """Noise-free losses of a ladder: sizes at ratios of 1.35, each at every budget at which it is near the optimum."""
    best = chinchilla.optimal(truth, BUDGETS).n_params
    rows = [(n, c) for c, star in zip(BUDGETS, best, strict=True) for n in SIZES if star / 2.35 < n < 2.35 * star]
    frame = pd.DataFrame(rows, columns=["N", "C"]).assign(D=lambda f: f.C / (6 * f.N))
    return frame.assign(L=chinchilla.predict(truth, N=frame.N, D=frame.D))


def curves_without_decay(frame, truth):
    """Curves that lie the higher above the law, the farther from its end a run is."""
    curves = {}
    for i, row in frame.iterrows():
        tokens = row.D * np.geomspace(0.01, 1, 40)
        curves[i] = tokens, chinchilla.predict(truth, N=row.N, D=tokens) * (1 + 0.05 * (1 - tokens / row.D))
    return curves


def test_a_curve_meets_its_cells_and_is_straight_in_logs_between_them(band, truth):
    cells = design_cells(band)
    flops, curves = decayed_curves(cells)
    longest = max(curves, key=lambda curve: len(curve.cells))
    along = longest.at(cells.log_loss.to_numpy())
    at = cells.loc[longest.cells]
    inside = np.isfinite(along)
    met = np.interp(np.log(at.C), np.log(flops[inside]), along[inside])
    np.testing.assert_allclose(met, at.log_loss, atol=2e-3)
    exact = np.log(chinchilla.predict(truth, N=longest.n_params, D=flops[inside] / (6 * longest.n_params)))
    assert 0 <= (along[inside] - exact).min() < (along[inside] - exact).max() < 0.003
    assert inside.sum() == pytest.approx(len(flops) * np.log(at.C.max() / at.C.min()) / np.log(64), abs=2)


def test_the_exponent_of_decayed_losses_is_the_laws(band, truth):
    found = three_approaches(Runs(band), curves=curves_without_decay(band, truth), resamples=40)
    first = found.approaches["1"]
    assert found.decayed is not None
    assert first.a.value == pytest.approx(truth["beta"] / (truth["alpha"] + truth["beta"]), abs=0.01)
    assert not first.warnings
    assert SAME_LOSSES in verdict(found).sentence
    assert found.variants[AS_PUBLISHED].a.value != first.a.value
    assert "has not decayed" in found.variants[AS_PUBLISHED].warnings[-1]


def test_noise_moves_the_winner_as_it_moves_the_losses(band):
    cells = design_cells(band)
    envelope, curves = decayed_envelope(cells)
    log_loss = cells.log_loss.to_numpy()
    sizes = np.array([curve.n_params for curve in curves])
    shifted = log_loss.copy()
    worse = curves[envelope.winner[750]]
    shifted[worse.cells] += 0.1
    same, other = winning_sizes(curves, np.stack([log_loss, shifted]), np.flatnonzero(envelope.kept))
    np.testing.assert_allclose(same, np.log(sizes[envelope.winner[envelope.kept]]))
    assert np.isclose(same, np.log(worse.n_params)).any()
    assert not np.isclose(other, np.log(worse.n_params)).any()


def test_where_a_neighbour_of_the_best_size_is_missing_it_does_not_count(band, monkeypatch):
    monkeypatch.setattr("analysis.frontier.decayed_envelope.COVERED", 0.0)
    whole, curves = decayed_envelope(design_cells(band))
    best = curves[whole.winner[750]].n_params
    beside = SIZES[np.searchsorted(SIZES, best) + 1]
    gap = band[(beside != band.N) | ~band.C.isin(BUDGETS[3:5])]
    holed, _ = decayed_envelope(design_cells(gap))
    assert not holed.kept[740:760].any()
    assert "next to the best one was not trained" in holed.reasons[-1]["reason"]


def test_a_ladder_that_compares_too_little_leaves_the_published_envelope(isoflop, truth):
    sizes = isoflop.N.nunique()
    assert sizes == 45
    assert decayed_envelope(design_cells(isoflop)) is None
    found = three_approaches(Runs(isoflop), curves=curves_without_decay(isoflop[:45], truth), resamples=20)
    assert found.decayed is None
    assert AS_PUBLISHED not in found.variants
    assert SAME_LOSSES not in verdict(found).sentence
