import json

import numpy as np
import pytest

from analysis.fitting.fit import fit
from analysis.fitting.objective import LEAST_SQUARES
from analysis.laws.kaplan import kaplan_ln
from analysis.to_json import to_json
from analysis.validation.influence import leave_one_out


@pytest.fixture
def frame(isoflop):
    return isoflop.assign(run=[f"run {i}" for i in range(len(isoflop))])


def test_shifts_are_those_of_fits_without_the_run(frame):
    found = leave_one_out(frame)
    full = fit("chinchilla", frame, resample="none").derived["a"].value
    for _, row in found.frame.iloc[[0, 60, -1]].iterrows():
        alone = fit("chinchilla", frame[frame.run != row.run], resample="none").derived["a"].value
        assert row.a == pytest.approx(alone - full, abs=2e-6)
    assert found.value == pytest.approx(full)
    assert np.abs(found.frame.a).is_monotonic_decreasing
    json.dumps(to_json(found), allow_nan=False)


def test_a_spoiled_run_is_found_first_and_named(frame):
    edge = int(frame[frame.C.max() == frame.C].N.idxmax())
    frame.loc[edge, "L"] *= 1.3
    found = leave_one_out(frame, objective=LEAST_SQUARES)
    assert found.frame.run[0] == f"run {edge}"
    assert found.frame.residual[0] == pytest.approx(np.log(1.3), rel=0.5)
    assert found.sentences()[0].startswith(f"without run {edge} a moves by")


def test_rows_of_one_name_are_left_out_together(frame):
    by_size = leave_one_out(frame, labels=frame.N.rank(method="dense").astype(int).to_numpy())
    assert len(by_size.frame) == frame.N.nunique()


def test_the_jackknife_of_a_straight_line_is_the_textbooks():
    import pandas as pd

    rng = np.random.default_rng(0)
    N = np.geomspace(1e4, 1e8, 40)
    frame = pd.DataFrame({"N": N, "L": 20 * N**-0.1 * np.exp(0.01 * rng.standard_normal(40))})
    found = leave_one_out(frame, kaplan_ln, objective=LEAST_SQUARES)
    x, y = np.log(N), np.log(frame.L)
    slopes = [np.polyfit(np.delete(x, i), np.delete(y, i), 1)[0] for i in range(40)]
    expected = np.sqrt(39 / 40 * ((slopes - np.mean(slopes)) ** 2).sum())
    assert found.quantity == "alpha"
    assert found.jackknife_stderr == pytest.approx(expected, rel=1e-5)


def test_hoffmanns_five_largest_losses_move_beta_most(published_dir):
    """All five together move beta from .367 to .453 (Besiroglu et al. 2024); each alone stands out."""
    import pandas as pd

    table = pd.read_csv(published_dir / "hoffmann_fig4_besiroglu.csv")
    runs = pd.DataFrame({"N": table["Model Size"], "C": table["Training FLOP"], "L": table["loss"]})
    runs = runs.assign(D=runs.C / (6 * runs.N))
    found = leave_one_out(runs)
    worst = {f"row {i + 1}" for i in runs.L.nlargest(5).index}
    order = found.frame.sort_values("beta", key=lambda column: -np.abs(column)).run.tolist()
    assert worst & set(order[:5])
    together = leave_one_out(runs, labels=np.where(runs.index.isin(runs.L.nlargest(5).index), "worst", runs.index))
    shift = together.frame.set_index("run").beta["worst"]
    assert shift == pytest.approx(0.36717243 - 0.45305, abs=2e-4)
