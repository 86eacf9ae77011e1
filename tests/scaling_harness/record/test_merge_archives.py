import dataclasses

import pytest

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.archive import Archive, ArchivedRun, export_sweep
from scaling_harness.record.merge_archives import join_listings, merge, merge_into_store
from scaling_harness.record.record import EvalLoss
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import ListedJob, ListedRun, read_listing


@pytest.fixture
def whole(sweep):
    return export_sweep(sweep)


def with_run(archive, run_id, **changes):
    """The archive with one more run, or with another record of a run."""
    record = dataclasses.replace(archive.runs["b"].record, run_id=run_id, **changes)
    return dataclasses.replace(archive, runs={**archive.runs, run_id: ArchivedRun(record, archive.runs["b"].curve)})


def nobody(_run_id):
    return False


def test_what_was_trained_elsewhere_is_added(whole):
    """A run that is in both may say another machine and another time: that of the first stays."""
    elsewhere = with_run(with_run(whole, "c"), "b", wall_s=9.0, provenance={})
    merged = merge([whole, elsewhere])
    assert list(merged.runs) == ["b", "a", "c"]
    assert merged.runs["b"] == whole.runs["b"]
    assert merged.listing == whole.listing


@pytest.mark.parametrize(
    "changes",
    [{"losses": {"valid": EvalLoss(2.5123456789012345, 0.01, 4096)}}, {"n_steps": 99}, {"status": "diverged"}],
)
def test_runs_that_disagree_are_named_and_nothing_is_merged(whole, changes, tmp_path):
    other = with_run(with_run(whole, "c"), "b", **changes)
    with pytest.raises(HarnessError, match="1 runs are there twice with different results: b; nothing was merged"):
        merge([whole, other])
    store = Store(tmp_path / "elsewhere")
    merge_into_store([whole], store, nobody)
    with pytest.raises(HarnessError, match="different results: b;"):
        merge_into_store([other], store, nobody)
    assert not store.is_finished("c")


def test_a_curve_that_differs_is_a_disagreement(whole):
    other = ArchivedRun(whole.runs["b"].record, whole.runs["b"].curve[1:])
    with pytest.raises(HarnessError, match="different results: b"):
        merge([whole, Archive(whole.listing, {"b": other})])


@pytest.mark.parametrize("order", [1, -1])
def test_a_run_that_failed_gives_way_to_one_that_did_not(whole, order):
    completed = with_run(whole, "a")
    assert merge([whole, completed][::order]).runs["a"].record.status == "completed"


def test_listings_join_their_jobs_longest_first(listing):
    runs = (ListedRun("d", 400, 9e6), ListedRun("c", 50, 1e6))
    longer = dataclasses.replace(
        listing, jobs=(ListedJob("stack2-1", runs),), base={"seed": 7, "model": {"d_model": 16}}
    )
    joined = join_listings(listing, longer)
    assert [[run.run_id for run in job.runs] for job in joined.jobs] == [["d"], ["b", "a"], ["c"]]
    assert joined.runs[0].config == {"seed": 7}
    assert join_listings(joined, longer) == joined


def test_archives_of_different_sweeps_are_not_one(whole):
    other = dataclasses.replace(whole, listing=dataclasses.replace(whole.listing, law="skaling"))
    with pytest.raises(UserError, match="different sweeps: law is 'tied' and 'skaling'"):
        merge([whole, other])


def test_a_store_gets_what_it_lacks_and_exports_the_same(whole, tmp_path):
    store = Store(tmp_path / "elsewhere")
    assert merge_into_store([whole, with_run(whole, "c")], store, nobody) == 3
    assert merge_into_store([whole], store, nobody) == 0
    exported = export_sweep(store.sweep_dir("mine"))
    assert exported == merge([whole, with_run(whole, "c")])


def test_a_store_that_planned_the_sweep_keeps_its_listing(whole, sweep, listing):
    store = Store(sweep.parent)
    merge_into_store([with_run(whole, "c")], store, nobody)
    assert store.is_finished("c")
    assert read_listing(sweep) == listing
    more = dataclasses.replace(whole.listing, jobs=(ListedJob("d", (ListedRun("d"),)),))
    with pytest.raises(UserError, match=r"1 runs of the archive are not in .*sweep extend"):
        merge_into_store([Archive(more, {})], store, nobody)


def test_a_run_in_training_is_not_overtaken(whole, sweep):
    with pytest.raises(UserError, match="c is being trained"):
        merge_into_store([with_run(whole, "c")], Store(sweep.parent), lambda run_id: run_id == "c")
