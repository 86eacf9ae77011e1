import pytest

from scaling_harness.config.as_overrides import differences
from scaling_harness.config.compose import compose, run_config
from scaling_harness.errors import UserError
from scaling_harness.plan.shape_for_size import shapes_of
from sweeps.compose import sweep_config
from sweeps.planning.expand import expand
from sweeps.planning.next_rung import SIZES, rung, rung_shapes, write_sweep_file


@pytest.fixture
def config(make_config):
    return make_config("model.n_layer=2", "optim.lr=0.004", "seed=5")


@pytest.fixture
def shapes(config):
    return shapes_of(config.model, 256, n_layer=2)


def test_sizes_go_from_half_to_twice_the_best(shapes):
    found = rung_shapes(shapes, 1e5, "with_head")
    counts = [24 * d**2 + 256 * d for _, d in found]
    assert [n / 1e5 for n in counts] == pytest.approx(SIZES, rel=0.06)


def test_where_shapes_are_far_apart_the_next_ones_are_taken(shapes):
    coarse = [shape for shape in shapes if shape.model.d_model in (16, 32, 64, 128, 256, 512)]
    best = coarse[2].n_params["with_head"]
    assert [d for _, d in rung_shapes(coarse, best, "with_head")] == [16, 32, 64, 128, 256]
    assert [d for _, d in rung_shapes(coarse[:3], best, "with_head")] == [16, 32, 64]


def test_the_file_composes_to_the_recipe_and_the_grid(config, shapes, tmp_path):
    sweep = rung("next", "Does it hold: at C = 1e8?", rung_shapes(shapes, 2e4, "total"), 1e8, "total", "skaling")
    told = {"Question": sweep["question"], "Runs": "5"}
    path = write_sweep_file(tmp_path, differences(config), sweep, told)
    assert path == tmp_path / "sweep" / "next.yaml"
    assert path.read_text().splitlines()[:2] == ["# @package _global_", "# Question: Does it hold: at C = 1e8?"]
    document = compose(["sweep=next"], tmp_path)
    assert sweep_config(document).law == "skaling"
    composed = run_config(document)
    assert (composed.optim, composed.data, composed.evaluation) == (config.optim, config.data, config.evaluation)
    assert composed.seed == 0
    where = {"runtime": {**document["runtime"], "data_dir": config.runtime.data_dir}}
    plans = [run for job in expand(document | where) for run in job.runs]
    assert sorted({plan.config.model.d_model for plan in plans}) == [d for _, d in rung_shapes(shapes, 2e4, "total")]
    assert [6 * plan.n_params["total"] * plan.n_tokens for plan in plans] == pytest.approx([1e8] * 5, rel=0.03)


def test_another_law_is_not_named_and_a_bad_name_is_refused(shapes):
    assert "law" not in rung("next", "?", [(2, 16)], 1e8, "total", "kaplan_ln_d")
    with pytest.raises(UserError, match="a folder of its own"):
        rung("../next", "?", [(2, 16)], 1e8, "total", "skaling")


def test_what_is_there_is_not_overwritten(config, tmp_path):
    sweep = rung("next", "?", [(2, 16)], 1e8, "total", "skaling")
    write_sweep_file(tmp_path, differences(config), sweep, {})
    with pytest.raises(UserError, match=r"next.yaml exists: choose another name"):
        write_sweep_file(tmp_path, differences(config), sweep, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_sweep_file(tmp_path / "file", differences(config), sweep, {})
