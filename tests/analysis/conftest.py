"""Simulated truth, and the published tables where they are given."""

import functools

import numpy as np
import pandas as pd
import pytest

from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from tests.analysis.fake_runs import make_record, write_sweep
from tests.analysis.simulated_table import TRUTH

BUDGETS = tuple(np.geomspace(1e11, 3e12, 5))


@pytest.fixture
def truth():
    return TRUTH


@pytest.fixture
def isoflop(truth):
    """Five budgets, nine sizes, three seeds, noise 0.5 %."""
    return simulate.isoflop(truth, BUDGETS)


@pytest.fixture
def noise_free(truth):
    return simulate.isoflop(truth, BUDGETS, noise=0.0, seeds=1)


@pytest.fixture
def without_offset():
    """Losses that fall faster than any law with E > 0 allows."""
    params = {"E": 1e-12, "A": 45.0, "B": 160.0, "alpha": 0.2, "beta": 0.2}
    frame = simulate.isoflop(params, BUDGETS, noise=0.0, seeds=1)
    return frame.assign(L=frame.L**1.1)


@pytest.fixture(scope="session")
def hoffmann240(published_dir):
    table = pd.read_csv(published_dir / "hoffmann_fig4_besiroglu.csv").nsmallest(240, "loss")
    frame = pd.DataFrame({"N": table["Model Size"], "C": table["Training FLOP"], "L": table["loss"]})
    return frame.assign(D=frame.C / (6 * frame.N))


@pytest.fixture
def make_sweep(tmp_path):
    return functools.partial(write_sweep, tmp_path)


@pytest.fixture
def record():
    return make_record


@pytest.fixture(scope="session")
def simulated_sweep(tmp_path_factory):
    """The IsoFLOP grid as records with curves that follow the same law in tokens seen, and measured gradients."""
    records, curves = [], {}
    for i, run in enumerate(simulate.isoflop(TRUTH, BUDGETS).itertuples()):
        made = make_record(f"run{i}", round(run.N), round(run.D), run.L, seed=int(run.seed))
        records.append(made)
        tokens = np.geomspace(made.n_tokens / 200, made.n_tokens, 40)
        noise = run.L / chinchilla.predict(TRUTH, N=run.N, D=run.D)
        losses = chinchilla.predict(TRUTH, N=run.N, D=tokens) * noise
        curves[made.run_id] = [
            {"step": k, "tokens": t, "loss": x + 0.1, "valid_loss": x, "grad_sq": 0.2 + k % 3 / 20, "grad_trace": 2.0}
            for k, (t, x) in enumerate(zip(tokens.tolist(), losses.tolist(), strict=True))
        ]
    return write_sweep(tmp_path_factory.mktemp("simulated"), records, curves)


@pytest.fixture(scope="session")
def simulated_report(simulated_sweep, tmp_path_factory):
    """The report of that sweep, and with it the one analysis that tests read; of its slow figures it draws one."""
    from analysis.report import figures as report_figures
    from analysis.report.write import write_report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_figures, "CATALOGUE", report_figures.CATALOGUE[:1])
        return write_report(simulated_sweep, tmp_path_factory.mktemp("report"), resamples=60)


@pytest.fixture
def one_law(monkeypatch):
    """An analysis ranks one law alone: five take most of its time, and most tests do not look at them."""
    from analysis.report import summary

    monkeypatch.setattr(summary, "RANKED", summary.RANKED[:1])


@pytest.fixture(scope="session")
def simulated_analysis(simulated_report):
    return simulated_report.analysis
