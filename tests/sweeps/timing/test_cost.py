import dataclasses
import json

import pytest

from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job
from sweeps.planning.time_estimate import Speed, job_seconds
from sweeps.timing.cost import (
    EstimateCheck,
    check_estimate,
    check_sentence,
    compare_with_probe,
    remaining_cost,
    remaining_sentence,
    without_finished,
)
from sweeps.timing.probe import PROBE_FILE, Probe, write_probe

LONG_AGO, MUCH_LATER = "2020-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"


def test_the_probe_is_compared_with_what_was_completed_after_it_and_both_are_kept(make_manifest, tmp_path):
    import fake_training

    manifest, store = make_manifest(1, 500, 2)
    assert compare_with_probe(tmp_path, manifest.jobs, store) is None
    one = job_seconds(manifest.jobs[0])
    probe = Probe(LONG_AGO, "here", 2, Speed(0.9 / one, 0.9 / one))
    write_probe(tmp_path, probe)
    assert compare_with_probe(tmp_path, manifest.jobs, store) is None
    for job in manifest.jobs[:2]:
        execute(job, manifest.runtime, store, Stop(), fake_training.train)
    found = compare_with_probe(tmp_path, manifest.jobs, store)
    assert (found.n_jobs, found.took_s) == (1, 1.0)
    assert found.error == pytest.approx(1 / 0.9 - 1)
    document = json.loads((tmp_path / PROBE_FILE).read_text())
    assert document["finished"] == {**vars(found), "error": found.error}
    assert document["at"] == LONG_AGO
    write_probe(tmp_path, dataclasses.replace(probe, at=MUCH_LATER))
    assert compare_with_probe(tmp_path, manifest.jobs, store) is None


def test_only_the_unfinished_runs_of_a_stack_are_predicted_and_compared(make_manifest):
    import fake_training

    manifest, store = make_manifest(1, 2, 3)
    first, second, third = (job.runs[0] for job in manifest.jobs)
    jobs = [Job((first, second, third))]
    assert without_finished(jobs, store) == jobs
    execute(Job((first,)), manifest.runtime, store, Stop(), fake_training.train)
    record_file = store.record_path(first.run_id)
    document = json.loads(record_file.read_text())
    document["provenance"]["started"] = LONG_AGO
    record_file.write_text(json.dumps(document))
    (rest,) = without_finished(jobs, store)
    assert rest.runs == (second, third)
    probe = Probe("2020-02-02T00:00:00+00:00", "here", 2, Speed())
    assert check_estimate(jobs, store, probe) is None
    execute(rest, manifest.runtime, store, Stop(), fake_training.train)
    assert without_finished(jobs, store) == []
    assert check_estimate(jobs, store, probe) == EstimateCheck(1, job_seconds(rest), 2.0)
    assert check_estimate(jobs, store, dataclasses.replace(probe, at=MUCH_LATER)) is None


def test_hours_of_the_clock_and_of_devices_are_said(make_plan):
    jobs = [Job((make_plan(f"seed={seed}"),)) for seed in range(4)]
    an_hour = Speed(*[3600 / job_seconds(jobs[0])] * 2)
    found = remaining_cost(jobs, an_hour, 2, ("gpu", 0.25))
    assert found == pytest.approx({"n_left": 4, "hours": 2.0, "gpu_hours": 1.0})
    said = remaining_sentence(found, Probe(LONG_AGO, "n1", 3, an_hour))
    assert said == f"4 runs left: 2 hours, 1 gpu hours (timed {LONG_AGO}: 3 at once on n1)"
    late = EstimateCheck(2, 3600.0, 4500.0)
    assert check_sentence(late) == "2 jobs took 1.25 hours, +25% of the probe's estimate: NOT within 20%"
    assert check_sentence(dataclasses.replace(late, took_s=4000.0)).endswith(": within 20%")
