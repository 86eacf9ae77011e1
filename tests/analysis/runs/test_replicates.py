import numpy as np
import pandas as pd
import pytest

from analysis.runs.replicates import design_cells, falling_noise, seed_noise


def frame_of(losses_by_cell):
    rows = [{"N": n, "D": 6e6 / n, "C": 3.6e7, "L": loss} for n, losses in losses_by_cell.items() for loss in losses]
    return pd.DataFrame(rows)


def test_seeds_are_averaged_in_logs_and_their_spread_pooled():
    cells = design_cells(frame_of({10.0: [np.exp(1.0), np.exp(1.2)], 20.0: [np.exp(0.9), np.exp(1.0), np.exp(1.1)]}))
    np.testing.assert_allclose(cells.log_loss, [1.1, 1.0])
    assert list(cells.n_seeds) == [2, 3]
    noise = seed_noise(cells)
    assert noise.dof == 3
    assert noise.sd == pytest.approx(np.sqrt((0.02 + 0.02) / 3))


def test_noise_is_unidentified_without_replicates():
    assert seed_noise(design_cells(frame_of({10.0: [3.0], 20.0: [2.9]}))) is None


def test_noise_that_falls_with_size_is_found():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e4, 1e6, 20)
    frame = frame_of({n: 3 * np.exp(0.02 * (n / 1e4) ** -0.5 * rng.standard_normal(40)) for n in sizes})
    noise = seed_noise(design_cells(frame))
    assert noise.slope == pytest.approx(-0.5, abs=0.06)
    assert noise.at(np.array([1e4]))[0] == pytest.approx(0.02, rel=0.15)


def test_constant_noise_has_no_trend():
    rng = np.random.default_rng(1)
    frame = frame_of({n: 3 * np.exp(0.01 * rng.standard_normal(3)) for n in np.geomspace(1e4, 1e6, 20)})
    noise = seed_noise(design_cells(frame))
    assert noise.slope == 0.0
    np.testing.assert_array_equal(noise.at(np.array([1e4, 1e6])), [noise.sd, noise.sd])


@pytest.mark.parametrize("along", ["D", "C"])
def test_noise_of_an_assumed_slope_has_the_level_of_the_replicates(along):
    rng = np.random.default_rng(0)
    cells = pd.DataFrame({"N": np.geomspace(1e4, 1e6, 400)}).assign(D=lambda f: 1e6 * (f.N / 1e5) ** 0.7)
    runs = cells.loc[np.repeat(cells.index, 3)].assign(C=lambda f: 6 * f.N * f.D)
    sd = 0.01 * (runs[along] / runs[along].median()) ** -0.4
    cells = design_cells(runs.assign(L=2 * np.exp(sd * rng.standard_normal(len(runs)))))
    noise = falling_noise(cells, along, seed_noise(cells), -0.4)
    assert noise.along == along
    assert noise.of_runs(runs) == pytest.approx(sd.to_numpy(), rel=0.06)
