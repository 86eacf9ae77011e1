"""Noise scales gathered from curves whose |G|^2 and tr(Sigma) are known, and the figure of them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import figures
from analysis.figures.style import Labels, rendered
from analysis.hyperparameters.gradient_noise import best_batches, noise_points
from analysis.report.figures import CATALOGUE, Material
from analysis.runs.curves import curves_of
from analysis.runs.load import load_runs
from analysis.runs.selection import Runs, Selection

N_CTX = 128
LABELS = Labels("with_head", "byte")


def scale_at(loss):
    """B_simple in sequences, of a trace of 2 and a |G|^2 that falls with the loss."""
    return 10.0 * (2.0 / loss) ** 4


def a_curve(rng, noise=0.1, n_steps=64):
    """Validation losses at every fourth step, a measurement at each but before the first of them."""
    rows = []
    for step in range(1, n_steps + 1):
        loss = 3.0 * step**-0.2
        row = {"step": step, "tokens": 512 * step, "grad_sq": 2.0 / scale_at(loss), "grad_trace": 2.0}
        for name in ("grad_sq", "grad_trace"):
            row[name] *= 1 + noise * rng.standard_normal()
        rows.append(row)
        if step % 4 == 0:
            rows.append({"step": step, "tokens": 512 * step, "valid_loss": loss})
    return rows


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    from tests.analysis.conftest import make_record, write_sweep

    rng, records, curves = np.random.default_rng(0), [], {}
    for i, (n_params, batch, seed) in enumerate((n, b, s) for n in (10**4, 10**5) for b in (512, 256) for s in (0, 1)):
        made = make_record(f"run{i}", n_params, 512 * 64, 2.0 + 0.1 * (batch == 512), seed=seed, batch_tokens=batch)
        made.config["budget"]["batch_tokens"] = batch
        records.append(made)
        curves[made.run_id] = a_curve(rng)
    sweep = write_sweep(tmp_path_factory.mktemp("noise"), records, curves)
    runs = load_runs(sweep, Selection(may_differ=("budget.batch_tokens",)))
    return runs, curves_of(runs)


def test_points_are_the_noise_scale_at_their_loss(measured):
    points = noise_points(*measured)
    assert {(p.n_params, p.batch_tokens) for p in points} == {(n, b) for n in (1e4, 1e5) for b in (256, 512)}
    for point in points:
        assert point.tokens == pytest.approx(N_CTX * scale_at(point.loss_nats), rel=0.15)
        assert point.ci95[0] < point.tokens < point.ci95[1]
    own = [p for p in points if (p.n_params, p.batch_tokens) == (1e4, 256)]
    assert [p.loss_nats for p in own] == sorted((p.loss_nats for p in own), reverse=True)
    assert sum(p.n_measurements for p in own) == 2 * 61  # steps 4 to 64 of two seeds: none before the first loss


def test_a_lost_gradient_is_a_point_without_a_value(measured, tmp_path, record, make_sweep):
    made = record("run", 10**4, 512 * 64, 2.0)
    rng = np.random.default_rng(0)
    runs = load_runs(make_sweep([made], {"run": a_curve(rng, noise=30.0)}))
    points = noise_points(runs, curves_of(runs))
    assert all(point.tokens is None and "reaches zero" in point.reason for point in points)
    material = Material(runs, curves_of(runs), pd.DataFrame(), (), None, None)
    assert "reaches zero" in CATALOGUE[-1].draw(material)


def test_runs_without_measurements_say_so(isoflop):
    material = Material(Runs(isoflop), {}, pd.DataFrame(), (), None, None)
    assert "no run measured" in CATALOGUE[-1].draw(material)


def grid(best=256.0, batches=(128, 256, 512)):
    """A loss quadratic in the log of the batch."""
    rows = [(b, s, 2 * np.exp(0.02 * np.log(b / best) ** 2 + 0.01 * s)) for b in batches for s in (0, 1)]
    frame = pd.DataFrame(rows, columns=["batch_tokens", "seed", "L"])
    return frame.assign(N=1e4, D=1e6, lr=0.002)


def test_the_best_batch_is_that_of_the_sweep():
    (found,) = best_batches(grid())
    assert found.best["batch_tokens"].value == pytest.approx(256)
    (at_end,) = best_batches(grid(best=16.0))
    assert "lowest tried" in at_end.best["batch_tokens"].problem
    assert best_batches(grid(batches=(256,))) == ()
    other = [{"optim.weight_decay": w, "budget.batch_tokens": 1} for w in (0.0, 0.1, 0.0, 0.1, 0.0, 0.1)]
    assert best_batches(grid().assign(science=other)) == ()


def test_the_figure_shows_points_intervals_and_best_batches(measured):
    points = noise_points(*measured)
    figure = Figure()
    first_ax, second_ax = figure.subplots(1, 2)
    ax = figures.noise_scale(first_ax, points, best_batches(grid()), LABELS)
    assert ax is first_ax
    lines, intervals, _ = ax.collections[:3]
    drawn = [line.vertices for line in lines.get_paths()]
    assert len(drawn) == 4  # two sizes, two batches
    first = [(p.loss_nats, p.tokens) for p in points if (p.n_params, p.batch_tokens) == (1e4, 256)]
    assert drawn[0] == pytest.approx(np.array(first))
    np.testing.assert_allclose([end[:, 1] for end in intervals.get_segments()], [p.ci95 for p in points])
    best = ax.containers[-1].lines[0].get_xydata()
    assert best == pytest.approx(np.array([[2 * np.exp(0.005), 256.0]]))
    figures.noise_scale(second_ax, points)
    legend = [text.get_text() for text in second_ax.get_legend().get_texts()]
    assert "batch of these runs, 512" in legend
    assert rendered(figure, "png")
