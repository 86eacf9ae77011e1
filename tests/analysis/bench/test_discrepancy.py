import numpy as np
import pytest

from analysis.bench import discrepancy as measured_by
from analysis.bench.discrepancy import discrepancy, discrepancy_table, public_isoflops
from analysis.laws import simulate
from analysis.validation.discrepancy import TAU

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}


@pytest.fixture
def few(monkeypatch):
    """Two tables in place of the public ones, one of them bent; one simulated form."""
    straight = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e13, 5), n_sizes=7, span=3.0, seeds=1)
    bent = straight.assign(L=straight.L * np.exp(0.01 * np.maximum(np.log(straight.C / 3e11), 0.0) ** 2))
    monkeypatch.setattr(measured_by, "public_isoflops", lambda _: {"straight": straight, "bent": bent})
    monkeypatch.setattr(measured_by, "TAUS", np.array([0.0, 0.004, 0.012, 0.02]))
    form = "broken"
    monkeypatch.setattr(measured_by, "OTHER_FORMS", {form: measured_by.OTHER_FORMS[form]})


def test_tau_is_larger_where_tables_are_bent_and_windows_are_judged_without_their_own_table(few, tmp_path):
    found = discrepancy(tmp_path, sweeps=3)
    straight, bent = found.rows
    assert straight.tau_without_it >= bent.tau_without_it
    assert bent.chinchilla_error > 3 * straight.chinchilla_error
    assert bent.held_without < bent.windows == 3
    assert found.held.windows == 6
    assert found.held.held >= found.held_without.held
    assert f"{found.held} of the next budget hold" in discrepancy_table(found)


def test_public_tables_hold_what_is_declared(published_dir, tmp_path):
    frames = public_isoflops(tmp_path)
    assert len(frames) == 5
    assert {len(frame) for name, frame in frames.items() if "cosine" in name} == {88}
    assert len(frames["Hoffmann, figure 4"]) == 240
    assert all((frame[["N", "D", "C", "L"]] > 0).all(axis=None) for frame in frames.values())


def test_tau_is_the_one_written_down():
    assert TAU == 0.012
