import dataclasses

import pytest

from scaling_harness.errors import HarnessError
from scaling_harness.execute import execute
from scaling_harness.plan import Job
from scaling_harness.stop import Stop
from sweeps.estimate import Speed, job_seconds
from sweeps.probe import PROBE_FILE, Comparison, compare, forecast, keep, kept, probe, sentence, solve


def test_a_machine_of_known_speed_is_found_again():
    small, large = (1e-3, 2e-4), (2e-3, 9e-3)
    times = [3.0 * fixed + 0.5 * matmul for fixed, matmul in (small, large)]
    found = solve(small, large, *times)
    assert (found.step, found.matmul) == pytest.approx((3.0, 0.5))
    assert solve(large, large, 0.022, 0.022) == Speed(2.0, 2.0)
    assert solve(small, large, 1e-6, 0.022) == Speed(2.0, 2.0)


def test_the_default_speed_is_the_estimates_own(make_plan):
    job = Job((make_plan(),))
    assert job_seconds(job) == job_seconds(job, Speed(1.0, 1.0))
    assert job_seconds(job, Speed(2.0, 2.0, 0.5)) == pytest.approx(2 * job_seconds(job) + 0.5)


def test_real_steps_are_timed_and_nothing_is_left_behind(make_plan):
    jobs = [Job((make_plan(f"model.d_model={size}"),)) for size in (16, 32)]
    runtime = jobs[0].runs[0].config.runtime
    found = probe(jobs, runtime, at_once=1, seconds=0.05)
    assert found.step > 0
    assert found.matmul > 0
    assert found.job_s >= 0


def test_the_estimate_is_kept_and_compared_with_what_it_took(make_manifest, tmp_path):
    import fake_training

    manifest, store = make_manifest(1, 500, 2)
    assert kept(tmp_path) is None
    one = job_seconds(manifest.jobs[0], Speed(1.0, 1.0))
    keep(tmp_path, Speed(0.9 / one, 0.9 / one))
    for job in manifest.jobs[:2]:
        execute(job, manifest.runtime, store, Stop(), fake_training.train)
    found = compare(manifest.jobs, store, kept(tmp_path))
    assert (found.n_jobs, found.took_s) == (1, 1.0)
    assert found.error == pytest.approx(1 / 0.9 - 1)
    (tmp_path / PROBE_FILE).write_text("{")
    with pytest.raises(HarnessError, match="probe again"):
        kept(tmp_path)


def test_hours_of_the_clock_and_of_devices_are_said(make_plan):
    jobs = [Job((make_plan(f"seed={seed}"),)) for seed in range(4)]
    an_hour = Speed(*[3600 / job_seconds(jobs[0])] * 2)
    found = forecast(jobs, an_hour, 2, ("gpu", 0.25))
    assert found == pytest.approx({"n_left": 4, "hours": 2.0, "gpu_hours": 1.0})
    assert sentence(found, None) == "4 runs left: 2 hours, 1 gpu hours"
    late = Comparison(2, 3600.0, 4500.0)
    assert sentence(found, late).endswith("2 jobs took 1.25 hours, +25% of the probe's estimate: NOT within 20%")
    assert sentence(found, dataclasses.replace(late, took_s=4000.0)).endswith(": within 20%")
