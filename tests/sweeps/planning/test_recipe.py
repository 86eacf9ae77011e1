import dataclasses

import pytest

from analysis.runs.from_records import listing_of
from scaling_harness.errors import UserError
from scaling_harness.plan.shape_for_size import ASPECT
from scaling_harness.record.archive import locate
from scaling_harness.record.sweep_listing import SweepListing
from sweeps.planning.recipe import default_recipe, recipe_of


@pytest.fixture(scope="module")
def listing():
    return listing_of(locate("archive:two-layers-quick"))


def test_the_recipe_has_the_rule_and_the_depth_of_the_runs_and_not_their_heads(listing):
    recipe = recipe_of(listing)
    assert recipe.config.optim.lr.rule == "sweep2026"
    assert recipe.config.schedule.warmup.amount == 0.2
    assert recipe.config.data.test_fraction == 0  # trained before there was a test text, and so on the same data
    assert recipe.n_layer == 2
    assert recipe.aspect == 16
    assert (recipe.config.model.d_head, recipe.config.seed) == (None, 0)


def test_runs_of_several_depths_have_no_depth_in_common(listing):
    (first, *others) = listing.jobs
    run = first.runs[0]
    deep = {**listing.base["model"], "n_layer": 4, "d_head": 16}
    changed = dataclasses.replace(first, runs=(dataclasses.replace(run, config={"model": deep}),))
    assert recipe_of(dataclasses.replace(listing, jobs=(changed, *others))).n_layer is None


def test_a_listing_without_configurations_is_refused(listing):
    with pytest.raises(UserError, match="does not say how its runs are configured"):
        recipe_of(SweepListing("old", listing.jobs))
    assert (default_recipe().n_layer, default_recipe().aspect) == (None, ASPECT)
