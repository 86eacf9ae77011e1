import dataclasses
import json
import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from analysis.comparing.paired_runs import pairings, read_records
from analysis.runs.load import load_runs
from analysis.runs.selection import Selection
from scaling_harness.cli import main
from scaling_harness.errors import HarnessError

BUDGETS = (51200, 102400)
LOSS = {(0, 51200): 1.01, (1, 51200): 1.03, (0, 102400): 1.00, (1, 102400): 1.02}
"""Of the WSD run, as a part of that of the cosine run, by seed and budget."""


@pytest.fixture
def records(record):
    """Cosine runs of two seeds and budgets; WSD branches of as many, and the trunk of each seed."""

    def make(name, kind, n_tokens, loss, seed, **changes):
        run = record(f"{name}-{n_tokens}-{seed}", 1000, n_tokens, loss, seed, **changes)
        run.config["schedule"] = {"kind": kind}
        return run

    found = []
    for seed in (0, 1):
        found.append(make("trunk", "constant", 81920, 9.0, seed, spent_flops=80.0, wall_s=8.0))
        for n_tokens in BUDGETS:
            cost = n_tokens / 51200
            found.append(make("cosine", "cosine", n_tokens, 2.0, seed, spent_flops=100 * cost, wall_s=10 * cost))
            changes = {"trunk": f"trunk-81920-{seed}", "spent_flops": 20 * cost, "wall_s": 3 * cost}
            found.append(make("wsd", "wsd", n_tokens, 2 * LOSS[seed, n_tokens], seed, **changes))
    return found


def expected():
    """Mean of ln L by seed, the mean of those, and its interval."""
    by_seed = [np.mean([math.log(LOSS[seed, n_tokens]) for n_tokens in BUDGETS]) for seed in (0, 1)]
    interval = ttest_1samp(by_seed, 0.0).confidence_interval(0.95)
    return np.mean(by_seed), interval.low, interval.high


def test_pairs_share_shape_budget_and_seed_and_trunks_are_the_clusters(records):
    (found,) = pairings(records, ["schedule.kind"])
    assert (found.first, found.second) == ("schedule.kind=cosine", "schedule.kind=wsd")
    mean, low, high = expected()
    assert found.difference.value == pytest.approx(mean)
    assert found.difference.ci95 == pytest.approx((low, high))
    assert (found.n_pairs, found.n_clusters) == (4, 2)
    assert [cell.difference.value for cell in found.cells] == pytest.approx(
        [math.log(1.01 * 1.03) / 2, math.log(1.00 * 1.02) / 2]
    )


@pytest.mark.parametrize("ending", ["completed", "diverged"])
def test_a_trunk_is_paid_once_however_it_ended(records, ending):
    records = [dataclasses.replace(r, status=ending) if r.run_id.startswith("trunk") else r for r in records]
    (found,) = pairings(records, ["schedule.kind"])
    assert found.flops_share == pytest.approx((80 + 20 + 40) / (100 + 200))
    assert found.time_share == pytest.approx((8 + 3 + 6) / (10 + 20))


def test_runs_that_differ_in_more_or_in_nothing_are_refused(records):
    with pytest.raises(HarnessError, match="nothing to compare"):
        pairings(records, ["optim.lr"])
    again = dataclasses.replace(records[1], run_id="again")
    with pytest.raises(HarnessError, match="again and another run differ in more"):
        pairings([*records, again], ["schedule.kind"])


@pytest.fixture
def two_architectures(record):
    """At one budget another N, so another D: of one shape each, or of several sizes each."""

    def make(targets):
        found = []
        for target, sizes in targets.items():
            for n_params, d_model, loss in sizes:
                for seed in (0, 1):
                    run = record(f"{target}-{d_model}-{seed}", n_params, 10**8 // n_params, loss + 0.01 * seed, seed)
                    run.config["model"] |= {"target": target, "d_model": d_model}
                    found.append(run)
        return found

    return make


def test_architectures_of_one_shape_are_paired_at_equal_compute(two_architectures):
    (found,) = pairings(two_architectures({"gpt2": [(1000, 16, 2.0)], "mine": [(1250, 16, 1.9)]}), ["model.target"])
    assert found.matched == "shape, budget and seed"
    (cell,) = found.cells
    assert (cell.n_params, cell.n_tokens, cell.n_params_second, cell.n_tokens_second) == (1000, 10**5, 1250, 80000)
    assert cell.n_pairs == 2
    assert found.difference.value == pytest.approx((math.log(1.9 / 2.0) + math.log(1.91 / 2.01)) / 2)


def test_architectures_without_a_common_shape_are_paired_by_their_best_size(two_architectures):
    sizes = {"gpt2": [(1000, 16, 2.0), (4000, 32, 1.8)], "mine": [(1250, 24, 1.9), (5000, 48, 1.95)]}
    (found,) = pairings(two_architectures(sizes), ["model.target"])
    assert found.matched == "budget and seed, each by its best size"
    assert [(cell.n_params, cell.n_params_second, cell.n_pairs) for cell in found.cells] == [(4000, 1250, 2)]
    assert found.difference.value == pytest.approx((math.log(1.9 / 1.8) + math.log(1.91 / 1.81)) / 2)


def test_the_command_prints_the_pairs_and_a_fit_leaves_trunks_out(make_sweep, records, capsys):
    path = make_sweep(records, unfinished=["late"])
    assert main(["pairs", str(path), "--by", "schedule.kind", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["n_pairs"] == 4
    assert main(["pairs", str(path), "--by", "schedule.kind"]) == 0
    shown = capsys.readouterr()
    assert "left out: late: not finished" in shown.err
    mean, low, high = (100 * x for x in expected())
    assert f"all: {mean:+.2f} % [{low:+.2f}, {high:+.2f}] of the loss, 4 pairs of 2 shapes" in shown.out
    assert "0.467 of the FLOPs, 0.567 of the time" in shown.out
    runs = load_runs(path, Selection(keep_recipes=True))
    assert {row["run"]: row["reason"] for row in runs.dropped if row["run"].startswith("trunk")} == {
        f"trunk-81920-{seed}": "a trunk: its learning rate has not decayed" for seed in (0, 1)
    }
    assert len(read_records(path)[0]) == len(records)
