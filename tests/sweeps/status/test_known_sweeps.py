import pytest

from scaling_harness.config.compose import CONF_DIR
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_text
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import ListedJob, ListedRun, SweepListing, write_listing
from sweeps.status.known_sweeps import known_sweeps

PACKAGED = (
    "# @package _global_\n# Question: why?\n# Runs: 7\n# FLOPs: 1e9\nsweep: {name: mine-in-runs, question: how}\n"
)


@pytest.fixture
def own(tmp_path):
    """A folder of the user's own: a file as ours, one without comments, one named like ours, and a broken one."""
    texts = {
        "a": PACKAGED,
        "b": "name: b\nquestion: |\n  what\n  now?\n",
        "reproduce-mini": PACKAGED,
        "wrong": "a: [\n",
    }
    for name, text in texts.items():
        write_text(tmp_path / "conf" / "sweep" / f"{name}.yaml", text)
    return tmp_path / "conf"


def test_every_sweep_of_the_package_has_a_question_and_a_number_of_runs(tmp_path):
    found = known_sweeps(Store(tmp_path))
    assert {"kaplan/critical-batch", "trunks"} <= {sweep.name for sweep in found}
    assert len(found) == len(list((CONF_DIR / "sweep").rglob("*.yaml")))
    assert all(sweep.question.endswith((".", "?")) and sweep.n_runs and sweep.train_flops for sweep in found)
    assert {sweep.state for sweep in found} == {""}


def test_sweeps_of_ones_own_follow_with_what_cannot_be_run(own, tmp_path):
    found = {sweep.file: sweep for sweep in known_sweeps(Store(tmp_path), own)}
    mine = [found[str(own / "sweep" / f"{name}.yaml")] for name in ("a", "b", "reproduce-mini", "wrong")]
    assert [(sweep.name, sweep.n_runs) for sweep in mine] == [
        ("a", 7),
        ("b", None),
        ("reproduce-mini", 7),
        ("wrong", None),
    ]
    assert [sweep.question for sweep in mine[:2]] == ["why?", "what now?"]
    assert "rename the file" in mine[2].question
    assert "not valid YAML" in mine[3].question
    with pytest.raises(UserError, match="is not a folder"):
        known_sweeps(Store(tmp_path), own / "sweep")


def test_a_sweep_that_was_started_says_how_many_of_its_runs_are_done(own, tmp_path):
    store = Store(tmp_path / "runs")
    runs = tuple(ListedRun(run_id) for run_id in ("x", "y", "z"))
    write_listing(store.sweep_dir("mine-in-runs"), SweepListing("mine-in-runs", (ListedJob("x", runs),)))
    write_text(store.record_path("y"), "{}")
    write_text(store.sweep_dir("b") / "sweep.json", "[")
    found = {sweep.name: sweep for sweep in known_sweeps(store, own)}
    assert (found["a"].n_runs, found["a"].state) == (3, "1 of 3 done")
    assert "is not JSON" in found["b"].state
