import numpy as np
import pytest

from analysis.bench.other_forms import AHEAD, FITTED, N_SIZES, NOISE, OTHER_FORMS, cells_of_form
from analysis.validation.mixture import FORMS


@pytest.mark.parametrize("form", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_truths_fall_with_compute_and_noise_is_what_is_declared(form):
    measured, true = form.sweeps(50, np.random.default_rng(0))
    budgets = form.design.budget.to_numpy()
    lowest = np.array([true[:, budgets == k].min(axis=1) for k in range(FITTED + len(AHEAD))])
    assert (np.diff(lowest, axis=0) < 0).all()
    assert measured.shape == (50, (FITTED + len(AHEAD)) * N_SIZES)
    assert (measured - true).std() == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize("form", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_strength_is_what_takes_a_truth_from_the_forms_fitted(form):
    gaps = []
    for scale in (1e-9, 2.0):
        cells = cells_of_form(form, 12, np.random.default_rng(1), scale)
        law = FORMS[2] if form.name == "drifting_k" else FORMS[0]
        gaps.append(float(np.median(cells.fit(law, len(cells.bands)).variance_K)) ** 0.5)
    assert gaps[0] == pytest.approx(NOISE, rel=0.1)
    assert gaps[1] > 1.03 * gaps[0]


def test_sweeps_are_the_same_again():
    first, again = (cells_of_form(OTHER_FORMS["curvature"], 5, np.random.default_rng(3)).log_loss_Kn for _ in range(2))
    assert (first == again).all()
