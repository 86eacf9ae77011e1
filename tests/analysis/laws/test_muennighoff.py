import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.laws.muennighoff import muennighoff
from analysis.laws.registry import LAWS

MUENNIGHOFF = {
    "E": np.exp(0.6254804),
    "A": np.exp(6.255414),
    "B": np.exp(7.3049974),
    "alpha": 0.3526596,
    "R_D": 15.387756,
    "R_N": 5.309743,
}


def test_data_constrained_law_gives_the_authors_number():
    loss = muennighoff.predict(MUENNIGHOFF, N=6.34e9, D=242e9, U=25e9)
    assert loss == pytest.approx(2.2256440889984477, rel=1e-12)


def test_unique_tokens_make_the_data_constrained_law_the_tied_one_below_the_optimal_size():
    d = np.array([1e9, 1e10, 1e11])
    n = 1e6  # below the optimal size of all three
    plain = {name: MUENNIGHOFF[name] for name in LAWS["tied"].params}
    np.testing.assert_allclose(muennighoff.predict(MUENNIGHOFF, N=n, D=d), LAWS["tied"].predict(plain, N=n, D=d))


def test_muennighoffs_runs_are_fitted_but_not_to_the_constants_of_his_subset(published_dir):
    """The authors' 182 of these 296 rows are not named: all of them give other scales (15.4, 5.3 there)."""
    columns = {"params": "N", "tokens": "D", "unique_tokens": "U", "loss": "L"}
    table = pd.read_csv(published_dir / "muennighoff_runs.csv").rename(columns=columns)
    result = fit("muennighoff", table, resample="none", starts=8)
    assert result.status == "converged"
    assert result.certificate.agreeing == result.certificate.tried
    losses = muennighoff.predict(MUENNIGHOFF, **{name: table[name] for name in ("N", "D", "U")})
    published = np.abs(np.log(losses / table.L))
    fitted = np.abs(np.log(result.predict(**{name: table[name] for name in ("N", "D", "U")}) / table.L))
    assert fitted.sum() < published.sum()
    assert result.values["R_N"] == pytest.approx(5.31, rel=0.25)
    assert result.values["R_D"] > 10 * 15.4
