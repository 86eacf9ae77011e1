import pytest

from analysis.forecasting.side_by_side import KAPLAN_LOSS, laws_at
from analysis.forecasting.source import from_params, open_source
from analysis.laws.published import PF_DAY, PUBLISHED

OWN = "E=1.9,A=420,B=1900,alpha=.345,beta=.36"


def test_each_paper_stands_with_its_own_numbers():
    """Gopher's budget: Hoffmann's 40B (Table A3), Besiroglu's 18.4 tokens a parameter, Kaplan's Table 6."""
    kaplan, hoffmann, besiroglu, own = laws_at(5.76e23, from_params(OWN))
    assert (kaplan.law, hoffmann.law, besiroglu.law) == ("kaplan2020", "hoffmann2022", "besiroglu2024")
    assert [row.count for row in (kaplan, hoffmann, besiroglu)] == ["non_embedding", "total", "total"]
    pf_days = 5.76e23 / PF_DAY
    assert kaplan.n_params == pytest.approx(1.3e9 * pf_days**0.73)
    assert kaplan.n_tokens == pytest.approx(2e10 * pf_days**0.27)
    assert kaplan.loss_nats == pytest.approx((3.1e8 / pf_days) ** 0.050)
    assert PUBLISHED[KAPLAN_LOSS].c_convention == kaplan.compute
    assert hoffmann.n_params == pytest.approx(4.031e10, rel=1e-3)
    assert besiroglu.tokens_per_param == pytest.approx(18.39, rel=1e-3)
    assert own.law == "chinchilla:" + OWN
    assert own.decades_beyond is None


def test_a_published_law_stands_there_once():
    rows = laws_at(1e21, open_source("published:besiroglu2024"))
    assert [row.law for row in rows] == ["kaplan2020", "hoffmann2022", "besiroglu2024"]
    assert rows[-1].n_params == pytest.approx(2.778e9, rel=1e-3)
    assert rows[-1].loss_nats == pytest.approx(2.3055, rel=1e-4)
