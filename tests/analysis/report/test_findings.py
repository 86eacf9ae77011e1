import dataclasses

import numpy as np
import pytest

from analysis.report import findings
from analysis.report.figure_data import of_curves, of_forecast, of_law, of_noise_scale, of_offset, of_parabolas


@pytest.fixture
def analysis(simulated_analysis):
    return simulated_analysis


def test_a_minimum_that_does_not_grow_is_counted(analysis):
    pieces = analysis.approaches.slices
    assert "5 of 5 budgets have their minimum inside the sizes trained" in findings.of_parabolas(pieces)
    assert "growing at every step" in findings.of_parabolas(pieces)
    back = [*pieces[:-1], dataclasses.replace(pieces[-1], n_opt=1.0)]
    assert "but not at 1 of 4 steps" in findings.of_parabolas(back)
    edge = [dataclasses.replace(piece, problem="minimum at the edge") for piece in pieces]
    assert findings.of_parabolas(edge).startswith("0 of 5 budgets")


def test_cells_outside_the_band_are_counted(analysis):
    table = of_law(analysis.third.fit, analysis.approaches.cells)
    half = findings.noise_band_percent(analysis.approaches.cells, analysis.approaches.noise)
    outside = (table.residual_percent.abs() > half).sum()
    said = findings.of_residuals(analysis)
    assert said.startswith(f"{outside} of {len(table)} cells lie outside the band, where noise alone would put 2;")
    assert f"rms {analysis.third.quality.residual_rms:.2%}" in said
    without = dataclasses.replace(analysis, approaches=dataclasses.replace(analysis.approaches, noise=None))
    assert findings.of_residuals(without).startswith("No seed was repeated")


def test_forecast_counts_what_lies_outside(analysis):
    held = analysis.holdout
    table = of_forecast(held.points, analysis.approaches.cells).query("held_out")
    outside = (~table.loss_nats.between(table.mixture_low_nats, table.mixture_high_nats)).sum()
    assert findings.of_forecast(held).startswith(f"{outside} of {len(table)} cells lie outside the mixture's interval")
    without = dataclasses.replace(held, coverage=None, coverage_reason="no intervals: too few cells")
    assert "no intervals: too few cells" in findings.of_forecast(without)


def test_e_of_the_profile_figure_is_that_of_the_law(analysis):
    said = findings.of_offset(analysis.third, "byte")
    assert f"the law has {analysis.third.fit.values['E']:.3f}." in said
    unknown = dataclasses.replace(analysis.third.profile, identified=False)
    assert "do not tell it" in findings.of_offset(dataclasses.replace(analysis.third, profile=unknown), "byte")


def test_frontier_counts_differences_beyond_noise(analysis):
    assert findings.of_frontier(analysis.approaches).endswith("0 of 3 differences are beyond noise.")


def test_curves_say_which_losses_approach_1_reads(analysis):
    traced = analysis.approaches.envelope
    published = dataclasses.replace(analysis.approaches, decayed=None)
    assert findings.of_curves(135, 45, published).endswith("; approach 1 reads it.")
    decayed = dataclasses.replace(analysis.approaches, decayed=traced)
    assert findings.of_curves(135, 45, decayed).endswith("; approach 1 reads the final losses instead.")
    assert findings.of_curves(1, 1, None) == "1 runs of 1 sizes. No envelope was traced."


def test_tables_hold_what_is_drawn(analysis):
    curves = of_curves(analysis.runs, analysis.curves)
    assert len(curves) == sum(len(tokens) for tokens, _ in analysis.curves.values())
    np.testing.assert_allclose(curves.train_flops, 6 * curves.n_params * curves.n_tokens)
    parabolas = of_parabolas(analysis.approaches.equal_compute, analysis.approaches.slices)
    assert len(parabolas) == len(analysis.approaches.equal_compute)
    assert (parabolas.parabola_nats / parabolas.loss_nats - 1).abs().max() < 0.02
    assert of_offset(analysis.third.profile).E_nats.is_monotonic_increasing


def test_noise_points_without_a_value_keep_their_reason():
    from analysis.hyperparameters.gradient_noise import NoisePoint

    points = [
        NoisePoint(1e4, 128, 2.0, 8, 900.0, (500.0, 1500.0), None),
        NoisePoint(1e4, 128, 1.5, 8, None, None, "|G|² is not above zero"),
    ]
    table = of_noise_scale(points)
    assert table.high_tokens.tolist()[0] == 1500.0
    assert table.reason.tolist()[1] == "|G|² is not above zero"
    assert findings.of_noise_scale(points).startswith("1 of 2 points have a value; B_simple is 900 at a loss of 2.00")
