import numpy as np
import pytest
from scipy import stats

from scaling_harness.record.gradient_noise_scale import Measurement, latest, noise_scale, summary, t95, unbiased


def measured(gradients, step=1):
    """A measurement from the gradients of single sequences, one a row."""
    mean_square = float((gradients**2).sum(1).mean())
    square_of_mean = float((gradients.mean(0) ** 2).sum())
    return Measurement(step, *unbiased(mean_square, square_of_mean, len(gradients)))


def quadratic(rng, n_measurements, n_seqs, signal):
    """Gradients of |theta - x|^2 / 2 at one theta, x normal with variances 1 to 4 about theta - signal.

    G = signal and Sigma = diag(variances): |G|^2 and tr(Sigma) are known.
    """
    variances = np.linspace(1.0, 4.0, len(signal))
    draws = rng.standard_normal((n_measurements, n_seqs, len(signal))) * np.sqrt(variances)
    return [measured(x + signal, step) for step, x in enumerate(draws, start=1)], variances.sum()


def test_two_sequences_by_hand():
    grad_sq, trace = unbiased(mean_square=(9.0 + 1.0) / 2, square_of_mean=((3.0 + 1.0) / 2) ** 2, n_seqs=2)
    assert grad_sq == pytest.approx(3.0 * 1.0)  # the product of two independent gradients
    assert trace == pytest.approx((3.0 - 1.0) ** 2 / 2)  # their sample variance


def test_a_quadratic_has_the_noise_scale_it_was_given():
    signal = np.full(8, 0.5)
    measurements, trace = quadratic(np.random.default_rng(0), 4000, 8, signal)
    found = noise_scale(measurements)
    assert found.grad_sq == pytest.approx(2.0, abs=4 * found.grad_sq_stderr)
    assert found.trace == pytest.approx(trace, abs=4 * found.trace_stderr)
    assert found.grad_sq_stderr < 0.05
    assert found.seqs == pytest.approx(trace / 2.0, rel=0.05)


def test_the_mean_of_ratios_would_be_wrong():
    """Why the two are averaged before they are divided."""
    measurements, trace = quadratic(np.random.default_rng(1), 4000, 4, np.full(8, 0.5))
    ratios = [m.trace / m.grad_sq for m in measurements]
    truth = trace / 2.0
    assert abs(noise_scale(measurements).seqs - truth) < 0.1 * truth
    assert abs(np.mean(ratios) - truth) > 0.3 * truth


@pytest.mark.parametrize("n_measurements", [6, 20])
def test_the_interval_holds_the_truth_as_often_as_it_says(n_measurements):
    """One without end, where |G|^2 may be zero, holds it too."""
    rng, signal = np.random.default_rng(2), np.full(40, 0.5)
    held = []
    for _ in range(600):
        measurements, trace = quadratic(rng, n_measurements, 8, signal)
        low, high = noise_scale(measurements).ci95_seqs or (0.0, np.inf)
        held.append(low <= trace / 10.0 <= high)
    assert 0.92 < np.mean(held) < 0.98


def test_a_gradient_lost_in_noise_has_no_scale():
    measurements, _ = quadratic(np.random.default_rng(3), 10, 4, np.zeros(8))
    found = noise_scale(measurements)
    assert (found.seqs, found.ci95_seqs) == (None, None)
    assert "reaches zero" in found.reason
    assert found.trace_stderr > 0


@pytest.mark.parametrize(("n", "reason"), [(0, "no measurement"), (1, "1 of 3 "), (2, "2 of 3 ")])
def test_few_measurements_have_no_interval(n, reason):
    found = noise_scale([Measurement(i, 1.0, 2.0) for i in range(n)])
    assert (found.seqs, found.n_measurements) == (None, n)
    assert reason in found.reason


def test_the_last_third_counts():
    measurements = [Measurement(step, 1.0, 1.0) for step in range(1, 13)]
    assert [m.step for m in latest(measurements, 12)] == [9, 10, 11, 12]
    assert [m.step for m in latest(measurements, 6)] == [5, 6]


def test_a_summary_speaks_in_sequences_and_in_tokens():
    measurements, _ = quadratic(np.random.default_rng(4), 60, 8, np.full(8, 0.5))
    found = summary(measurements, n_steps=60, n_seqs=8, n_ctx=128)
    assert (found["first_step"], found["last_step"], found["n_measurements"]) == (41, 60, 20)
    assert found["noise_scale_tokens"] == 128 * found["noise_scale_seqs"]
    low, high = found["ci95_seqs"]
    assert low < found["noise_scale_seqs"] < high
    assert found["ci95_tokens"] == [128 * low, 128 * high]
    assert found["reason"] is None


@pytest.mark.parametrize("dof", [2, 3, 5, 30, 1000])
def test_quantiles_of_t(dof):
    assert t95(dof) == pytest.approx(stats.t.ppf(0.975, dof), rel=0.01)


@pytest.mark.parametrize(("errors", "low", "high"), [(1.0, 0.35, 0.5), (1.75, 0.58, 0.72), (3.0, 0.88, 0.97)])
def test_values_given_only_where_the_gradient_is_above_zero_read_low(errors, low, high):
    """|G|^2 at so many standard errors from zero: median of the values given, over the truth (.65 at 1.75)."""
    rng, n, given = np.random.default_rng(0), 16, []
    for _ in range(1500):
        grad_sq = 1 + np.sqrt(n) / errors * rng.standard_normal(n)
        trace = 10 * (1 + 0.1 * rng.standard_normal(n))
        found = noise_scale([Measurement(k, g, t) for k, (g, t) in enumerate(zip(grad_sq, trace, strict=True))])
        if found.seqs is not None:
            given.append(found.seqs / 10)
    assert low < np.median(given) < high
