import pytest

from scaling_harness.config.compose import compose
from scaling_harness.errors import UserError
from sweeps.compose import launcher_config, sweep_config


def test_one_run_is_not_a_sweep():
    with pytest.raises(UserError, match="name a file of conf/sweep"):
        sweep_config(compose([]))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hold_uot": 1}, "^sweep.hold_uot is not a known key; did you mean hold_out"),
        ({"aims": {"decade": 2}}, "^sweep.aims.decade"),
        ({"grids": []}, "^sweep.grids"),
        ({"stack": 0}, "^sweep.stack is 0"),
    ],
)
def test_a_bad_sweep_is_a_sentence(changes, sentence):
    grid = {"shapes": [[1, 16]], "budgets": {"n_tokens": [320]}, "seeds": [0]}
    with pytest.raises(UserError, match=sentence):
        sweep_config({"sweep": {"name": "mine", "question": "?", "grids": [grid], **changes}})


def test_the_name_of_a_launcher_is_no_part_of_the_path_that_is_wrong():
    with pytest.raises(UserError, match=r"^launcher.gpus_per_run is 0"):
        launcher_config(compose(["launcher.gpus_per_run=0"]))
