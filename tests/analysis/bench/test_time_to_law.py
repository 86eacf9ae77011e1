"""Simulated sweeps of known truths and times: what the comparison must say of them."""

from datetime import UTC, datetime, timedelta

import pytest

from analysis.bench.time_to_law import compare, print_comparison
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.to_json import to_json

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
BUDGETS = [3e10, 1e11, 3e11]
A_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def side(tmp_path, record, make_sweep):
    """A sweep trained one run after another, cheapest first, with losses a factor off the truth."""

    def make(name, budgets, seconds, factor=1.0, noise=0.003):
        frame = simulate.isoflop(TRUTH, budgets, noise=noise, seeds=2, n_sizes=5).sort_values("C")
        records = []
        for i, run in enumerate(frame.itertuples()):
            begun, ended = (A_DAY + timedelta(seconds=k * seconds) for k in (i, i + 1))
            times = {"started": begun.isoformat(), "ended": ended.isoformat()}
            made = record(f"run{i}", round(run.N), round(run.D), run.L * factor, seed=int(run.seed), provenance=times)
            records.append(made)
        return make_sweep.func(tmp_path / name, records)

    return make


def test_a_baseline_five_times_as_slow_and_as_good_takes_five_times_as_long(side):
    ours, baseline = side("ours", BUDGETS, 2), side("baseline", BUDGETS, 10)
    found = compare(ours, baseline, chinchilla, resamples=20)
    assert found.ours.seconds == 60
    assert found.baseline.seconds == 300
    assert found.ours.n_runs == found.baseline.n_runs == 30
    assert found.ours.half_widths == found.baseline.half_widths
    assert found.best_loss_s[1] == 5 * found.best_loss_s[0]
    assert found.half_width_s[1] == 5 * found.half_width_s[0] == 300
    assert found.baseline_then.seconds == 60
    assert found.baseline_then.n_runs == 6
    assert found.baseline_then.half_width is None
    assert found.baseline_then.reason
    assert all(row["ours"] == row["baseline"] for row in found.losses)


def test_a_baseline_that_stays_above_never_reaches_our_loss(side, capsys):
    ours, baseline = side("ours", BUDGETS, 2), side("baseline", BUDGETS[:2], 10, factor=1.2, noise=0.03)
    found = compare(ours, baseline, chinchilla, resamples=20)
    assert found.best_loss_s[1] is None
    assert found.half_width_s[1] is None
    assert [row["train_flops"] for row in found.losses] == pytest.approx(BUDGETS[:2], rel=1e-3)
    assert all(1.1 < row["baseline"] / row["ours"] < 1.3 for row in found.losses)
    print_comparison(found)
    assert "the baseline not in 3.3 minutes" in capsys.readouterr().out


def test_a_baseline_without_a_run_in_our_time_is_said_to_have_none(side):
    found = compare(side("ours", BUDGETS[:1], 2), side("baseline", BUDGETS[:1], 21), chinchilla, resamples=20)
    assert found.baseline_then is None
    assert to_json(found)["baseline_then"] is None
