import numpy as np
import pytest

from analysis.design.runs_so_far import cells_with_shapes, runs_so_far
from analysis.runs.replicates import design_cells
from scaling_harness.errors import UserError


def test_noise_and_scatter_are_those_of_the_runs(isoflop, known):
    assert known.noise == pytest.approx(0.005, rel=0.2)
    assert known.scatter < 0.002
    assert [truth.point.law.name for truth in known.truths] == ["chinchilla", "skaling", "tied"]
    cell = isoflop.groupby(["N", "D"]).ngroup().to_numpy()
    shared = 0.01 * np.random.default_rng(0).standard_normal(cell.max() + 1)
    apart = runs_so_far(design_cells(isoflop.assign(L=isoflop["L"] * np.exp(shared[cell]))))
    assert apart.noise == pytest.approx(known.noise)
    assert apart.scatter == pytest.approx(0.01, rel=0.25)


def test_a_truth_has_what_its_law_misses_each_budget_by(known):
    missed = np.log(known.cells["L"]) - known.truths[0].log_loss(known.cells)
    by_budget = missed.groupby(np.log(known.cells["C"]).round(1)).mean()
    np.testing.assert_allclose(by_budget, 0, atol=1e-3)


def test_without_a_second_seed_the_noise_is_to_be_given(noise_free):
    with pytest.raises(UserError, match="no cell of N and D has two seeds"):
        runs_so_far(design_cells(noise_free))
    assert runs_so_far(design_cells(noise_free), noise=0.01).noise == 0.01


def test_a_shape_comes_with_its_size(isoflop):
    cells = cells_with_shapes(isoflop.assign(n_layer=2, d_model=isoflop["N"].round()))
    assert (cells["d_model"] == cells["N"].round()).all()
    assert "n_layer" not in cells_with_shapes(isoflop)
