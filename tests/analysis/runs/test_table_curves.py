import numpy as np
import pandas as pd
import pytest

from analysis.frontier.approaches import three_approaches
from analysis.laws.registry import chinchilla
from analysis.runs.load import load_runs
from analysis.runs.table_curves import split_curves

SIZES = np.geomspace(1e6, 1e8, 9)


def curves(tmp_path, truth, tokens_of, name="run"):
    rows = [
        {name: f"r{i}", "N": n, "D": d, "loss": float(chinchilla.predict(truth, N=n, D=d))}
        for i, n in enumerate(SIZES)
        for d in np.geomspace(tokens_of(n) / 300, tokens_of(n), 40)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "curves.csv", index=False)
    return load_runs(tmp_path / "curves.csv")


@pytest.mark.parametrize("name", ["run", "ID"])
def test_a_table_of_curves_feeds_approaches_1_and_2(tmp_path, truth, name):
    runs = curves(tmp_path, truth, lambda n: 2000 * n**0.9, name)
    assert runs.checkpoints == name
    found = three_approaches(runs, resamples=20)
    a = truth["beta"] / (truth["alpha"] + truth["beta"])
    assert found.approaches["1"].a.value == pytest.approx(a, abs=0.05)
    assert found.approaches["2"].a.value == pytest.approx(a, abs=0.02)
    assert found.approaches["3"].a.value == pytest.approx(a, abs=5e-4)
    for each in found.approaches.values():
        assert each.a.value + each.b.value == pytest.approx(1, abs=2e-3)


def test_losses_between_checkpoints_are_those_of_the_law(tmp_path, truth):
    runs, found = split_curves(curves(tmp_path, truth, lambda n: 20 * n))
    exact = chinchilla.predict(truth, N=runs.frame.N.to_numpy(), D=runs.frame.D.to_numpy())
    np.testing.assert_allclose(runs.frame.L, exact, rtol=2e-3)
    np.testing.assert_allclose(runs.frame.C, 6 * runs.frame.N * runs.frame.D, rtol=1e-9)
    assert set(found) <= set(runs.frame.index)
    assert "9 curves of the table: their losses at 10 budgets" in runs.notes[-1]
