"""What a user draws into a figure of his own."""

import pytest
from matplotlib.figure import Figure

from analysis import figures
from analysis.figures.style import Labels, labels_of
from analysis.forecasting.source import from_fit
from analysis.hyperparameters.gradient_noise import noise_points


@pytest.fixture
def analysis(simulated_analysis):
    return simulated_analysis


def test_every_name_is_there_and_no_other():
    assert all(callable(getattr(figures, name)) for name in figures.__all__)
    assert sorted(name for names in figures._MODULES.values() for name in names) == figures.__all__ == dir(figures)
    with pytest.raises(AttributeError, match="isoflop_parabolas"):
        figures.isoflop  # noqa: B018


def draws(analysis):
    """Each figure with the least that a user has to give it."""
    found, runs = analysis.approaches, analysis.runs
    law = found.parametric
    return {
        "loss_curves": (runs,),
        "isoflop_parabolas": (runs,),
        "compute_optimal": (found,),
        "loss_surface": (law, runs),
        "isoflop_cuts": (law, runs),
        "one_variable_law": (analysis.kaplan["alpha_N"],),
        "residuals": (law, runs),
        "residual_histogram": (law, runs),
        "forecast": (analysis.holdout, runs),
        "forecast_errors": (analysis.holdout,),
        "offset_profile": (analysis.third.profile,),
        "exponents": ([from_fit(law)],),
        "lowest_losses": ([from_fit(law)],),
        "noise_scale": (noise_points(runs, analysis.curves),),
    }


def test_each_draws_into_the_axes_it_is_given_and_gives_them_back(analysis):
    axes = Figure().subplots(2, 7).ravel()
    for ax, (name, given) in zip(axes, draws(analysis).items(), strict=True):
        assert getattr(figures, name)(ax, *given) is ax
        assert ax.get_xlabel(), name
        assert ax.has_data(), name
    assert set(draws(analysis)) == {name for name in figures.__all__ if name[0].islower()} - {"styled"}


def test_a_figure_has_the_style_of_the_reader_unless_told(analysis):
    plain = Figure().subplots()
    with figures.styled():
        ours = Figure().subplots()
        figures.offset_profile(ours, analysis.third.profile)
    figures.offset_profile(plain, analysis.third.profile)
    assert plain.title.get_fontsize() != ours.title.get_fontsize()
    assert not ours.spines["top"].get_visible()


def test_labels_of_a_fit_are_those_of_its_runs(analysis):
    law = analysis.approaches.parametric
    assert labels_of(law).n == labels_of(analysis.runs).n == Labels("with_head").n
