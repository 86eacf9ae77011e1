from scaling_harness.record.store import Store
from sweeps.planning.planned_sweep import read_planned_sweep
from sweeps.status.clean import leftovers


def touch(path, n_bytes=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * n_bytes)


def found_by_name(manifest, store: Store):
    sweep_dir = store.sweep_dir("fake")
    return {one.path.name: one.what for one in leftovers(read_planned_sweep(sweep_dir).jobs, store, sweep_dir)}


def test_only_what_no_record_needs(make_manifest):
    manifest, store = make_manifest(0, 1)
    done, open_run = (job.job_id for job in manifest.jobs)
    for run_id in (done, open_run):
        touch(store.checkpoint_path(run_id))
        touch(store.snapshot_path(run_id))
        touch(store.run_dir(run_id) / ".metrics.part")
        touch(store.metrics_path(run_id))
    touch(store.record_path(done))
    touch(store.sweep_dir("fake") / "logs" / "worker-0.log")
    touch(store.runs_dir / "checkpoints" / f".{open_run}.pt.abc123")
    found = found_by_name(manifest, store)
    assert set(found) == {f"{done}.pt", f"{done}-trunk.pt", ".metrics.part", f".{open_run}.pt.abc123"}
    touch(store.record_path(open_run))
    assert set(found_by_name(manifest, store)) == {*found, f"{open_run}.pt", f"{open_run}-trunk.pt", "worker-0.log"}


def test_the_verb_shows_and_then_removes(make_manifest, capsys):
    from scaling_harness.cli import main

    manifest, store = make_manifest(0)
    run_id = manifest.jobs[0].job_id
    touch(store.record_path(run_id))
    touch(store.checkpoint_path(run_id), 2_000_000)
    command = ["sweep", "clean", "fake", "--runs-dir", str(store.runs_dir)]
    assert main(command) == 0
    assert store.checkpoint_path(run_id).exists()
    assert "1 files, 2.0 MB: `scaling-harness sweep clean fake --yes` removes them" in capsys.readouterr().out
    assert main([*command, "--yes"]) == 0
    assert not store.checkpoint_path(run_id).exists()
    assert store.record_path(run_id).exists()
    main(command)
    assert "nothing to remove" in capsys.readouterr().out
