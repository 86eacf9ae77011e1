from sweeps.bench.sweep_overhead import measure_overhead


def test_every_number_of_the_benchmark_comes_from_runs_that_were_made(tmp_path):
    found = measure_overhead(tmp_path, planned=20, drained=8, workers=2, claimers=2)
    assert [(row.what, row.n_runs) for row in found] == [
        ("plan", 20),
        ("status", 20),
        ("status", 20),
        ("claim", 12),
        ("drain", 8),
    ]
    assert all(row.wall_s > 0 and row.cpu_s > 0 for row in found)
    assert found[-1].detail.endswith("3 files a run")
