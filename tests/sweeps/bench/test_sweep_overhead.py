from sweeps.bench.sweep_overhead import measure_overhead


def test_every_number_of_the_benchmark_comes_from_runs_that_were_made(tmp_path):
    found = measure_overhead(tmp_path, planned=6, drained=8, workers=2, claimers=2)
    assert [(row.what, row.n_runs) for row in found] == [
        ("plan", 6),
        ("status", 6),
        ("status", 6),
        ("table", 6),
        ("report", 6),
        ("claim", 12),
        ("drain", 8),
    ]
    assert all(row.wall_s > 0 and row.cpu_s > 0 for row in found)
    assert found[-1].detail.endswith("3 files a run")
