"""Cosine against branches: a known difference, and the cost of a trunk counted by hand."""

import numpy as np
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.hagele2024 import Evidence, cost_ratio, hagele2024
from tests.analysis.conftest import make_record, write_sweep

LENGTHS = (256_000, 512_000, 1_024_000)
SIZES = (20_000, 30_000)


def figure(name):
    return hagele2024.figures_named([name])[0]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Branches .5 % below cosine runs, one trunk a size and seed."""
    records, curves = [], {}
    for size in SIZES:
        for seed in range(3):
            trunk = make_record(f"trunk-{size}-{seed}", size, int(0.8 * LENGTHS[-1]), 2.0, seed)
            config = trunk.config | {
                "schedule": {"kind": "constant"},
                "model": trunk.config["model"] | {"d_model": size},
            }
            records.append(make_record(trunk.run_id, size, trunk.n_tokens, 2.0, seed, config=config))
            for length in LENGTHS:
                for kind, factor in (("cosine", 1.0), ("wsd", 0.995 + 0.0004 * seed)):
                    loss = factor * (1.2 + 30 * length**-0.3) * (1 + 0.01 * seed)
                    changes = {"config": config | {"schedule": {"kind": kind}}}
                    if kind == "wsd":
                        changes |= {"trunk": trunk.run_id, "spent_flops": 6.0 * size * 0.2 * length}
                    name = f"{kind}-{size}-{length}-{seed}"
                    records.append(make_record(name, size, length, loss, seed, **changes))
                    tokens = np.geomspace(length / 50, length, 6)
                    curves[name] = [{"step": i, "tokens": t, "valid_loss": loss} for i, t in enumerate(tokens)]
    return Evidence((write_sweep(tmp_path_factory.mktemp("wsd"), records, curves),))


def test_the_cost_of_a_trunk_is_that_counted_by_hand():
    assert cost_ratio(np.array([1.0])) == pytest.approx(1.0)
    assert cost_ratio(np.array([1.0, 2.0, 4.0])) == pytest.approx((3.2 + 0.2 * 7) / 7)
    assert cost_ratio(np.array([10.0, 20.0, 30.0])) == pytest.approx((24 + 12) / 60)
    assert cost_ratio(np.ones(1000)) == pytest.approx(0.2, abs=0.001)


def test_loss_and_cost_are_those_of_the_truth(evidence):
    second = figure("2").table(evidence)
    assert "-0.46 [" in figure("2").found(second)
    assert "better beyond noise in 6, worse in 0" in figure("2").found(second)
    third = figure("3").table(evidence)
    assert f"our FLOPs: {cost_ratio(np.array(LENGTHS, float)):.3f}" in figure("3").found(third)
    assert "-0.46 to -0.46 %" in figure("1").found(figure("1").table(evidence))


@pytest.mark.parametrize("name", ["1", "2", "3"])
def test_a_figure_is_drawn(evidence, name):
    table = figure(name).table(evidence)
    panels = [ax for ax in drawn(figure(name), table).axes if ax.get_xlabel()]
    assert len(panels) == table["panel"].nunique()


def test_runs_of_one_schedule_are_told_what_to_train(simulated_sweep):
    with pytest.raises(LackingRunsError, match=r"it needs the sweep hagele/horizons"):
        figure("2").table(Evidence((simulated_sweep,)))
