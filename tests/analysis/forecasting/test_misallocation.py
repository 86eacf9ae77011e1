import pytest

from analysis.fitting.fit import fit
from analysis.forecasting.misallocation import cost_of_choice


def test_cost_of_a_wrong_choice_is_the_loss_it_gives_up(isoflop):
    result = fit("chinchilla", isoflop, resamples=200)
    found = cost_of_choice(result.law, result.values, result.draws, 1e14)
    assert 0 <= found.extra_loss_nats.ci95[0] <= found.extra_loss_nats.value
    off = {**result.values, "A": result.values["A"] * 8}
    worse = cost_of_choice(result.law, off, result.draws, 1e14)
    assert worse.extra_loss_nats.value > found.extra_loss_nats.value
    draw = {name: values[:1] for name, values in result.draws.items()}
    n = result.law.optimal(off, 1e14).n_params
    loss = result.law.predict(draw, N=n, D=1e14 / 6 / n)
    cheaper = 1e14 * (1 - cost_of_choice(result.law, off, draw, 1e14).wasted_compute.value)
    assert result.law.optimal(draw, cheaper).loss_nats == pytest.approx(loss, rel=1e-9)
