import json

import numpy as np
import pandas as pd
import pytest

from analysis.report.summary import (
    RANKED,
    analyse,
    elapsed_s,
    forecast_line,
    summary_document,
    table_rows,
    warnings_of,
)
from analysis.runs.selection import Runs
from scaling_harness.errors import HarnessError


@pytest.fixture
def analysis(simulated_analysis):
    return simulated_analysis


def test_summary_has_the_promised_shape_and_is_json(analysis):
    document = summary_document(analysis)
    json.dumps(document, allow_nan=False)
    assert document["count"] == "with_head"
    assert set(document["approaches"]) == {"1", "2", "3"}
    for each in document["approaches"].values():
        assert {"a", "b", "n_points", "excluded"} <= set(each)
        assert {"value", "ci95"} <= set(each["a"])
    assert {"params", "residual_rms", "seed_rms", "starts"} <= set(document["parametric"])
    assert set(document["kaplan"]) == {"alpha_N", "alpha_D", "alpha_C"}
    assert {"budget", "gap", "mean_abs_rel_error", "skill"} <= set(document["holdout"])
    assert document["verdict"]["sentence"]
    assert set(document["variants"]) == {"1 hull", "2 akima", "2 corrected"}
    assert {row["law"] for row in document["ranking"]["table"]} == {law.name for law in RANKED}
    assert len(document["influence"]["runs"]) == 10
    assert len(document["budgets"]) == 5
    assert (document["n_runs"], document["n_dropped"]) == (135, 0)
    assert (document["wall_s"], document["run_s"]) == (270.0, 135 * 2.0)
    assert document["peak_memory_bytes"] == 10**8
    assert document["spent_flops"] == pytest.approx(document["train_flops"])


def test_other_counts_stand_beside_the_headline(analysis):
    counts = summary_document(analysis)["counts"]
    assert set(counts) == {"non_embedding", "total"}
    # here every count is proportional to the others, so the exponents are the same
    headline = analysis.approaches.approaches["2"].a.value
    assert counts["total"]["2"]["a"]["value"] == pytest.approx(headline, abs=1e-3)


def test_table_has_every_exponent_with_its_published_neighbour(analysis):
    rows = table_rows(analysis)
    assert [row[0] for row in rows] == ["a", "b"] * 3 + ["alpha_N", "alpha_D", "alpha_C", "E"]
    assert "0.5126 (besiroglu2024)" in rows[4][2]
    assert {row[3] for row in rows if row[0] == "b"} == {"1 - a by construction"}
    assert all(len(row) == 4 for row in rows)
    assert "skill" in forecast_line(analysis)


def test_a_variant_whose_interval_is_too_wide_says_so(isoflop, one_law):
    warnings = summary_document(analyse(Runs(isoflop), resamples=20))["warnings"]
    assert any(sentence.startswith("variant 2 akima: interpolated minima") for sentence in warnings)


def test_a_plain_table_is_summarised_too(isoflop, one_law):
    document = summary_document(analyse(Runs(isoflop), resamples=20))
    assert document["count"] is None
    assert document["spent_flops"] is None
    assert document["counts"] == {}
    assert any("no run has a training curve" in sentence for sentence in document["warnings"])


def test_the_unit_of_the_loss_is_the_tokenizers(analysis, isoflop, one_law):
    assert table_rows(analysis)[-1][3].endswith("nats per byte")
    assert "bytes" in analysis.kaplan["alpha_N"].held_fixed
    other = Runs(isoflop.assign(vocab_size=4096))
    assert table_rows(analyse(other, resamples=20))[-1][3].endswith("nats per token")


def test_one_seed_says_that_noise_is_unidentified(noise_free, one_law):
    sentences = warnings_of(analyse(Runs(noise_free), resamples=20))
    assert any("noise unidentified" in sentence for sentence in sentences)


def test_what_the_text_adds_is_set_beside_seeds(isoflop, one_law):
    rng = np.random.default_rng(0)
    small, large = (rng.normal(2.0, sd, (len(isoflop), 64)).tolist() for sd in (0.004, 0.1))
    quiet, loud = (
        analyse(Runs(isoflop.assign(loss_blocks=pd.Series(blocks, dtype=object))), resamples=20)
        for blocks in (small, large)
    )
    expected = 0.1 / 8 / 2.0
    assert loud.text_noise == pytest.approx(expected, rel=0.1)
    assert any("raise evaluation.final_n_tokens" in sentence for sentence in warnings_of(loud))
    assert not any("final_n_tokens" in sentence for sentence in warnings_of(quiet))
    assert summary_document(quiet)["text_noise"] == quiet.text_noise


def test_too_few_budgets_give_a_reason_in_place_of_a_forecast(isoflop, one_law):
    two = isoflop[isoflop.C < 3e11]
    analysis = analyse(Runs(two), resamples=20)
    assert "cannot spare" in summary_document(analysis)["holdout"]["reason"]
    assert forecast_line(analysis).startswith("no forecast")


def test_too_few_runs_are_refused(isoflop):
    with pytest.raises(HarnessError, match="cannot fix"):
        analyse(Runs(isoflop.iloc[:9]), resamples=20)


def test_elapsed_time_counts_overlap_once_and_pauses_not():
    minutes = [(0, 5), (1, 2), (4, 7), (20, 21)]
    times = [[f"2026-01-01T00:{m:02d}:00+00:00" for m in span] for span in minutes]
    assert elapsed_s(pd.DataFrame(times, columns=["started", "ended"])) == 8 * 60
    assert elapsed_s(pd.DataFrame({"started": [None], "ended": [times[0][1]]})) is None
