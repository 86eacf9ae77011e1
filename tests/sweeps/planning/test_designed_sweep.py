from sweeps.compose import sweep_config
from sweeps.planning.designed_sweep import added_to, design_grids, designed_sweep

CELLS = [(2e10, (2, 24), 1), (1e10, (2, 16), 2), (1e10, (2, 20), 2), (1e10, (2, 24), 0), (1e10, (2, 28), 1)]


def test_shapes_of_a_budget_with_equally_many_seeds_are_one_grid():
    grids = design_grids(CELLS, 600, "total")
    assert [(g["shapes"], g["budgets"]["train_flops"], g["seeds"]) for g in grids] == [
        ([[2, 16], [2, 20]], [1e10], [600, 601]),
        ([[2, 28]], [1e10], [600]),
        ([[2, 24]], [2e10], [600]),
    ]
    assert {g["budgets"]["count"] for g in grids} == {"total"}


def test_a_wave_is_added_to_the_sweep_before_it():
    grids = design_grids(CELLS, 0, "with_head")
    first = {"sweep": designed_sweep("first", "?", grids, alone=True)}
    both = added_to(first, designed_sweep("second", "!", grids, alone=False))
    config = sweep_config(both)
    assert (config.name, config.question, config.stack) == ("second", "!", 4)
    assert len(config.grids) == 2 * len(grids)
