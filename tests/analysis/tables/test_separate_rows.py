import numpy as np
import pandas as pd

from analysis.tables import separate_rows


def test_copies_are_rows_equal_in_every_cell_but_their_number():
    file = pd.DataFrame({"Unnamed: 0": [0, 1, 2], "N": [1.0, 1.0, 1.0], "curve": [[1], [1], [2]]})
    assert separate_rows.copies(file) == [1]


def grid(**columns):
    frame = pd.DataFrame({"N": [1.0] * 4 + [2.0] * 4, "D": 9.0, "L": np.arange(8) + 2.0}).assign(**columns)
    return frame, frame.groupby(["N", "D"]).ngroup()


def test_settings_are_told_from_seeds_names_and_results():
    rates = [0.1, 0.2, 0.1, 0.2] * 2
    file, cells = grid(
        lr=rates,
        optimiser=["adam", "sgd", "sgd", "adam"] * 2,
        seed=[1, 1, 2, 2] * 2,
        Name=list("abcdefgh"),
        val_loss=np.linspace(3, 4, 8),
        note_of_mine=list("stuvwxyz"),
        layers=[2] * 4 + [4] * 4,
    )
    assert separate_rows.settings_of(file, cells, ("N", "D", "L")) == ["lr", "optimiser"]
    sentence = separate_rows.settings_sentence(file, ["lr"])
    assert "lr (0.1, 0.2): these are settings and no seeds" in sentence
    assert "`--best-of loss`" in sentence


def test_the_best_setting_is_that_of_the_lowest_mean_over_seeds():
    frame = pd.DataFrame({"N": 1.0, "D": 9.0, "L": [3.0, 3.0, 2.5, 4.0, 1.0], "setting_id": [0, 0, 1, 1, 2]})
    others, notes = separate_rows.best_settings(frame, "setting_id")
    assert others == [2, 3, 4]  # 1 has the lucky run, 2 has one seed alone
    assert "the best of 3 settings at each N and D, by means over 2 seeds" in notes[0]


def test_the_best_of_four_single_runs_reads_a_standard_deviation_low():
    frame = pd.DataFrame({"N": 1.0, "D": 9.0, "L": [3.0, 3.1, 3.2, 3.3], "setting_id": range(4)})
    assert "up to 1.0 standard deviations of a run low" in separate_rows.best_settings(frame, "setting_id")[1][0]


def test_rows_of_one_name_with_one_n_and_rising_d_are_checkpoints():
    frame = pd.DataFrame({"run": list("aabb"), "N": [1.0, 1.0, 2.0, 2.0], "D": [1.0, 2.0, 1.0, 2.0]})
    assert separate_rows.checkpoint_column(frame, ["run"]) == "run"
    assert "4 rows share 2 names in column 'run'" in separate_rows.checkpoint_sentence(frame, "run")
    assert separate_rows.checkpoint_column(frame.assign(D=1.0), ["run"]) is None
    assert separate_rows.checkpoint_column(frame.assign(N=[1.0, 2.0, 1.0, 2.0]), ["run"]) is None
    assert separate_rows.checkpoint_column(frame.assign(run=list("abcd")), ["run"]) is None


def test_checkpoints_are_seen_without_n_too():
    frame = pd.DataFrame({"D": [1.0, 2.0, 1.0, 2.0], "run": list("aabb")})
    assert separate_rows.checkpoint_column(frame, ["run"]) == "run"
    assert "with rising D" in separate_rows.checkpoint_sentence(frame, "run")
    assert separate_rows.checkpoint_column(frame.rename(columns={"D": "C"}), ["run"]) == "run"
    assert separate_rows.maybe_checkpoints(frame.assign(step=[5, 9, 5, 9]), frame) == []


def test_steps_that_rise_with_d_are_warned_of():
    frame = pd.DataFrame({"N": [1.0, 1.0, 2.0, 2.0], "D": [1.0, 2.0, 1.0, 2.0]})
    assert "rises with D" in separate_rows.maybe_checkpoints(frame.assign(step=[5, 9, 5, 9]), frame)[0]
    assert separate_rows.maybe_checkpoints(frame.assign(step=[9, 5, 5, 9]), frame) == []
    assert separate_rows.maybe_checkpoints(frame.assign(steps=[5, 9, 5, 9]), frame) == []
