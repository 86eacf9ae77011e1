from analysis.runs.from_records import recipe as recipe_of
from analysis.runs.load import load_runs
from analysis.runs.selection import Selection
from scaling_harness.record.record import EvalLoss, write_record


def reasons(runs):
    return {row["run"]: row["reason"] for row in runs.dropped}


def test_a_half_written_record_is_dropped_with_its_reason(make_sweep, record, tmp_path):
    sweep = make_sweep([record("a", 1000, 51200, 3.0), record("torn", 2000, 51200, 3.0)])
    (tmp_path / "store" / "torn" / "record.json").write_text('{"schema_version": 1, ')
    runs = load_runs(sweep)
    assert list(runs.frame.run_id) == ["a"]
    assert "not JSON" in reasons(runs)["torn"]


def test_shape_seed_and_length_do_not_change_the_recipe(make_sweep, record):
    other = record("b", 2000, 512000, 2.8, seed=5)
    other.config["model"]["n_layer"] = 7
    assert len(load_runs(make_sweep([record("a", 1000, 51200, 3.0), other]))) == 2


def test_a_rule_for_the_batch_is_one_recipe_whatever_it_gives(record):
    def recipe(batch, **more):
        config = record("x", 10**5, 10**6, 3.0).config
        return recipe_of(config | {"budget": {"batch_tokens": batch, "n_steps": 9, **more}})

    assert recipe(128, batch_rule={"rule": "r"}) == recipe(256, batch_rule={"rule": "r", "horizon": 1e6})
    assert recipe(128, batch_rule={"rule": "r"}) != recipe(128, batch_rule={"rule": "s"})
    assert recipe(128) != recipe(256)


def with_test(record, name, n_params, valid, test, held_out=("Ford",)):
    made = record(name, n_params, 51200, valid)
    made.losses["test"] = EvalLoss(test, 0.01, 4096)
    made.data["held_out_test"] = list(held_out)
    return made


def test_fits_read_the_test_text_and_choices_the_validation_text(make_sweep, record):
    sweep = make_sweep([with_test(record, "a", 1000, 3.0, 3.5), with_test(record, "b", 2000, 2.8, 3.3)])
    reported, chosen = load_runs(sweep), load_runs(sweep, Selection(split="valid"))
    assert list(reported.frame.L) == [3.5, 3.3]
    assert list(chosen.frame.L) == [3.0, 2.8]
    assert "losses are of the test text (Ford), on which nothing was chosen" in reported.notes[0]
    assert "validation text, on which settings may have been chosen; intervals are for this text" in chosen.notes[0]


def test_runs_without_a_test_text_are_never_mixed_with_others(make_sweep, record):
    runs = load_runs(make_sweep([with_test(record, "a", 1000, 3.0, 3.5), record("b", 2000, 51200, 2.8)]))
    assert list(runs.frame.L) == [3.0, 2.8]
    assert "validation text, on which settings may have been chosen: 1 runs have none on a test text" in runs.notes[0]


def test_the_best_setting_is_chosen_on_the_validation_text_and_read_on_the_test_text(make_sweep, record):
    slow, fast = with_test(record, "slow", 1000, 3.0, 3.6), with_test(record, "fast", 1000, 3.1, 3.5)
    fast.config["optim"] = {"lr": 0.5}
    runs = load_runs(make_sweep([slow, fast]), Selection(best_of="loss"))
    assert list(runs.frame.run_id) == ["slow"]
    assert list(runs.frame.L) == [3.6]


def test_a_record_that_has_changed_is_read_again(make_sweep, record, tmp_path):
    sweep = make_sweep([record("a", 1000, 51200, 3.0)])
    assert list(load_runs(sweep).frame.L) == [3.0]
    write_record(tmp_path / "store" / "a", record("a", 1000, 51200, 2.25))
    assert list(load_runs(sweep).frame.L) == [2.25]
