import pytest

from scaling_harness.config.compose import compose, run_config
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
        (
            {"grids": {"shapes": [], "trunk": True}},
            "^sweep.grids: give a list of grids, or named lists .* trunk is not a list",
        ),
        ({"stack": 0}, "^sweep.stack is 0"),
        *(
            ({"name": name}, "^sweep.name is .*: a sweep is a folder of its own")
            for name in ("../../x", "a/b", "..", "-x", " ")
        ),
        *(
            ({"name": name}, "^sweep.name is .*choose another name")
            for name in ("store", "data", "checkpoints", "hydra", "wandb")
        ),
    ],
)
def test_a_bad_sweep_is_a_sentence(changes, sentence):
    grid = {"shapes": [[1, 16]], "budgets": {"n_tokens": [320]}, "seeds": [0]}
    with pytest.raises(UserError, match=sentence):
        sweep_config({"sweep": {"name": "mine", "question": "?", "grids": [grid], **changes}})


@pytest.mark.parametrize("name", ["iso", "n=3, ç", "2026-11", "a~(b)"])
def test_a_sweep_may_have_any_name_that_a_folder_may(name):
    grid = {"shapes": [[1, 16]], "budgets": {"n_tokens": [320]}, "seeds": [0]}
    assert sweep_config({"sweep": {"name": name, "question": "?", "grids": [grid]}}).name == name


def test_a_key_that_a_sweep_leaves_out_can_be_set_and_an_unknown_one_gets_the_nearest():
    given = compose(["sweep=reproduce-mini", "sweep.hold_out=2", "sweep.aims={decades: 2}"])
    assert sweep_config(given).hold_out == 2
    assert sweep_config(given).aims["decades"] == 2
    with pytest.raises(UserError, match=r"^sweep.hold_uot is not a known key; did you mean hold_out"):
        sweep_config(compose(["sweep=reproduce-mini", "sweep.hold_uot=2"]))


def test_a_sweep_adds_grids_to_those_of_the_sweep_it_extends(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(
        "# @package _global_\ndefaults: [reproduce-quick]\nsweep:\n  name: mine\n  question: more?\n"
        "  grids: {mine: [{shapes: [[1, 16]], budgets: {n_tokens: [320]}, seeds: [9]}]}\n"
    )
    quick, mine = (sweep_config(compose([f"sweep={name}"], tmp_path)) for name in ("reproduce-quick", "mine"))
    assert mine.grids[:-1] == quick.grids
    assert mine.grids[-1].seeds == (9,)
    assert (mine.name, mine.stack, mine.aims) == ("mine", quick.stack, quick.aims)
    (tmp_path / "sweep" / "mine.yaml").write_text("# @package _global_\ndefaults: [reproduce-slow]\n")
    with pytest.raises(UserError, match="reproduce-slow"):
        compose(["sweep=mine"], tmp_path)


def test_a_sweep_file_without_its_package_line_is_told(tmp_path):
    (tmp_path / "sweep").mkdir()
    lines = "question: more?\ngrids: [{shapes: [[1, 16]], budgets: {n_tokens: [320]}, seeds: [9]}]\n"
    (tmp_path / "sweep" / "bare.yaml").write_text(f"name: bare\n{lines}")
    assert sweep_config(compose(["sweep=bare"], tmp_path)).name == "bare"
    (tmp_path / "sweep" / "mine.yaml").write_text("sweep:\n  name: mine\n")
    with pytest.raises(UserError, match="make `# @package _global_` its first line"):
        sweep_config(compose(["sweep=mine"], tmp_path))


def test_the_name_of_a_launcher_is_no_part_of_the_path_that_is_wrong():
    with pytest.raises(UserError, match=r"^launcher\.gpus_per_run is 0"):
        launcher_config(compose(["launcher.gpus_per_run=0"]))


def test_processes_of_a_run_are_counted_on_all_its_nodes():
    document = compose(["launcher=slurm", "launcher.gpus=4", "launcher.gpus_per_run=8", "launcher.nodes_per_run=2"])
    launcher = launcher_config(document)
    assert (launcher.n_nodes, launcher.processes_per_node) == (2, 4)
    assert launcher.devices(run_config(document).runtime) == ("gpu", 8.0)
    local = launcher_config(compose(["launcher.gpus_per_run=2"]))
    assert (local.n_nodes, local.processes_per_node) == (1, 2)
