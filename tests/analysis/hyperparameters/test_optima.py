"""Minima and power laws that are known beforehand, and errors that agree with the scatter of simulated sweeps."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from analysis.hyperparameters.optima import find_rules
from analysis.hyperparameters.power_law_nd import PowerLaw, power_law
from scaling_harness.cli import main
from scaling_harness.config.compose import compose, run_config

LRS, BATCHES = (0.001, 0.002, 0.004, 0.008, 0.016), (64, 128, 256, 512)
CENTRE = (1e5, 5e5)
CELLS = tuple(itertools.product((5e4, 1e5, 2e5), (3e5, 9e5)))


def lr_law(n, d):
    return 0.004 * (n / CENTRE[0]) ** -0.1 * (d / CENTRE[1]) ** -0.3


def batch_law(n, d):
    return 170.0 * (d / CENTRE[1]) ** 0.2 + 0.0 * n


def sweep(noise=0.0, seeds=2, batches=BATCHES, rng=None, cells=CELLS):
    """A loss whose logarithm is quadratic in the logs, tilted, with a shift a seed and noise a run."""
    rng = rng or np.random.default_rng(0)
    rows = []
    for (n, d), lr, batch, seed in itertools.product(cells, LRS, batches, range(seeds)):
        x, y = np.log(lr / lr_law(n, d)), np.log(batch / batch_law(n, d))
        log_loss = 1 + 0.02 * x**2 + 0.03 * y**2 - 0.02 * x * y + 0.01 * seed + noise * rng.standard_normal()
        rows.append({"N": n, "D": d, "L": np.exp(log_loss), "lr": lr, "batch_tokens": batch, "seed": seed})
    return pd.DataFrame(rows)


def test_minima_of_quadratics_and_the_laws_through_them_are_found():
    rules = find_rules(sweep())
    for optimum in rules.optima:
        assert optimum.best["lr"].value == pytest.approx(lr_law(optimum.n_params, optimum.n_tokens))
        assert optimum.best["batch_tokens"].value == pytest.approx(batch_law(optimum.n_params, optimum.n_tokens))
        assert optimum.loss_nats == pytest.approx(np.exp(1.005))
    lr, batch = rules.laws["lr"], rules.laws["batch_tokens"]
    assert [lr.exponents[k].value for k in ("n_exponent", "d_exponent")] == pytest.approx([-0.1, -0.3])
    assert [batch.exponents[k].value for k in ("n_exponent", "d_exponent")] == pytest.approx([0.0, 0.2], abs=1e-9)
    assert lr.at(*CENTRE) == pytest.approx(0.004)


def test_standard_errors_are_the_scatter_of_simulated_sweeps():
    rng, cell = np.random.default_rng(1), (CENTRE,)
    found = [find_rules(sweep(0.002, rng=rng, cells=cell)).optima[0].best["lr"] for _ in range(150)]
    scatter = np.std([np.log(best.value) for best in found])
    assert np.mean([best.log_stderr for best in found]) == pytest.approx(scatter, rel=0.2)


def test_a_best_value_at_the_edge_is_said_and_kept_out_of_the_law():
    rules = find_rules(sweep(batches=(256, 512, 1024)))
    for optimum in rules.optima:
        best = optimum.best["batch_tokens"]
        assert (best.value, best.log_stderr, best.problem) == (256, None, "the lowest tried, 256, is best")
        given_batch = lr_law(optimum.n_params, optimum.n_tokens) * (256 / batch_law(0, optimum.n_tokens)) ** 0.5
        assert optimum.best["lr"].value == pytest.approx(given_batch)
    assert "batch_tokens" not in rules.laws
    assert rules.reasons["batch_tokens"].endswith("of 6 (N, D), the lowest tried, 256, is best at 6")


def test_a_setting_that_does_not_vary_is_not_looked_for_and_one_seed_has_no_error():
    rules = find_rules(sweep(seeds=1, batches=(128,)))
    assert set(rules.laws) == {"lr"}
    assert [set(o.best) for o in rules.optima] == [{"lr"}] * 6
    assert rules.optima[0].best["lr"].log_stderr is None


def test_power_law_is_that_of_least_squares_with_students_intervals():
    rng = np.random.default_rng(2)
    points = [(n, d) for n in (1e4, 3e4, 1e5) for d in (3e5, 1e6)]
    held = 0
    for _ in range(400):
        values = [lr_law(n, d) * np.exp(0.1 * rng.standard_normal()) for n, d in points]
        law = power_law(points, values)
        assert isinstance(law, PowerLaw)
        low, high = law.exponents["d_exponent"].ci95
        held += low <= -0.3 <= high
    slope = np.polyfit(np.log([d for _, d in points]), np.log(values), 1)[0]  # N and D are orthogonal here
    assert law.exponents["d_exponent"].value == pytest.approx(slope)
    assert held / 400 == pytest.approx(0.95, abs=0.035)


def test_errors_of_the_points_count_where_they_are_larger_than_the_scatter():
    points, values = [(10.0**k, 1e6) for k in (3, 4, 5)], [1.0, 2.0, 4.0]
    law = power_law(points, values, [0.3, 0.3, 0.3])
    assert law.exponents["n_exponent"].value == pytest.approx(np.log10(2))
    assert law.exponents["n_exponent"].stderr == pytest.approx(0.3 / (np.log(10) * 2**0.5))
    assert (law.exponents["d_exponent"].value, law.exponents["d_exponent"].ci95) == (0.0, None)
    assert power_law(points[:2], values[:2]) == "2 minima: at least 3 are needed"


@pytest.fixture
def tuned_sweep(make_sweep, record):
    records = []
    for i, row in enumerate(sweep(cells=((50000, 300032), (100000, 300032), (200000, 300032))).itertuples()):
        made = record(
            f"run{i}", row.N, row.D, row.L, seed=row.seed, learning_rate=row.lr, batch_tokens=row.batch_tokens
        )
        budget = {"batch_tokens": row.batch_tokens, "n_steps": 1}
        made.config.update(optim={"lr": row.lr}, budget=budget)
        records.append(made)
    return make_sweep(records)


def test_rule_prints_optima_laws_and_a_configuration_that_can_be_used(tuned_sweep, capsys):
    assert main(["rule", str(tuned_sweep), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [o["n_params"] for o in found["optima"]] == [50000, 100000, 200000]
    law = found["laws"]["lr"]
    assert law["n_exponent"]["value"] == pytest.approx(-0.1)
    text = ", ".join(f"{key}: {value}" for key, value in law["rule"].items())
    chosen = run_config(compose([f"optim.lr={{{text}}}"])).optim.lr
    assert chosen.value == pytest.approx(law["value"]["value"], rel=1e-3)
    assert {row["rule"] for row in found["published"]} >= {"steplaw2025", "porian2024", "deepseek2024", "kaplan2020"}

    assert main(["rule", str(tuned_sweep)]) == 0
    said = capsys.readouterr().out
    assert f"optim.lr='{{{text}}}'" in said


def test_rule_takes_one_recipe_besides_what_it_looks_for(make_sweep, record, capsys):
    mixed = [record("a", 50000, 300032, 2.0), record("b", 50000, 300032, 2.0)]
    mixed[1].config["optim"] = {"lr": 0.02, "beta2": 0.5}
    assert main(["rule", str(make_sweep(mixed))]) == 2
    said = capsys.readouterr().err
    assert "optim.beta2" in said
    assert "optim.lr" not in said
