import dataclasses

import pytest

from scaling_harness.errors import UserError
from scaling_harness.plan.scale_rules import n_layer
from scaling_harness.plan.shape_for_size import nearest_shape, shapes_of


@pytest.fixture
def model(make_config):
    return make_config("model.n_ctx=128").model


@pytest.mark.parametrize("count", ["non_embedding", "with_head", "total"])
def test_the_nearest_width_is_found_by_the_harness_own_count(model, count):
    shapes = shapes_of(model, 256, n_layer=2)
    found = nearest_shape(shapes, 650_000, count)
    d = found.model.d_model
    counted = {"non_embedding": 24 * d**2, "with_head": 24 * d**2 + 256 * d, "total": 24 * d**2 + 512 * d}
    assert found.n_params == counted
    assert found.model.n_layer == 2
    errors = [abs(shape.n_params[count] / 650_000 - 1) for shape in shapes]
    assert abs(found.n_params[count] / 650_000 - 1) == min(errors) < 0.06


def test_depth_grows_with_width_unless_it_is_given(model):
    shapes = shapes_of(model, 256)
    large = nearest_shape(shapes, 9.13e9, "with_head").model
    assert large.d_model / large.n_layer == pytest.approx(64, rel=0.02)
    assert nearest_shape(shapes, 1e4, "with_head").model.n_layer == 1
    assert large.d_model // large.heads <= 128


def test_a_rule_of_depth_is_kept_at_every_size(model):
    shapes = shapes_of(model, 256, n_layer="sweep2026")
    sizes = [shape.n_params["with_head"] for shape in shapes]
    assert sizes == sorted(sizes)
    assert {shape.model.n_layer for shape in shapes} == {2, 3, 4}
    assert all(shape.model.n_layer == n_layer("sweep2026", size) for shape, size in zip(shapes, sizes, strict=True))
    assert all(nearest_shape(shapes, size, "with_head").n_params["with_head"] == size for size in sizes[::20])


def test_heads_that_are_set_are_kept(model):
    shapes = shapes_of(dataclasses.replace(model, d_model=48, n_head=6), 256, n_layer=2)
    assert {shape.model.n_head for shape in shapes} == {6}
    assert all(shape.model.d_model % 12 == 0 for shape in shapes)


@pytest.mark.parametrize("n_params", [100.0, 1e15])
def test_a_size_that_no_shape_has_is_refused_with_the_span(model, n_params):
    with pytest.raises(UserError, match=r"no shape .* go from 1.41e\+03 to .*--layers"):
        nearest_shape(shapes_of(model, 256, n_layer=2), n_params, "with_head")
    with pytest.raises(UserError, match="go from none at all"):
        nearest_shape((), n_params, "with_head")
