import math

import pytest

from sweeps.tuning.pattern_search import Axis, proposals


def bowl(lr, batch):
    """Lowest at lr .0113, two and a half factors of two above the start, and batch 60."""
    return 1.0 + math.log2(lr / 0.0113) ** 2 + 0.2 * math.log2(batch / 60) ** 2


def contexts(value):
    return max(1, round(value / 16)) * 16


AXES = (Axis("lr", 0.002), Axis("batch", 64, contexts))


def run(axes=AXES, trials=14, loss=bowl):
    rounds, searching = [], proposals(axes, trials)
    wanted = next(searching)
    while True:
        rounds.append(wanted)
        try:
            wanted = searching.send([loss(**settings) for settings in wanted])
        except StopIteration as end:
            return end.value, rounds


def test_it_walks_to_the_minimum_and_refines_there():
    result, rounds = run()
    assert len(result.trials) == 14
    assert rounds[0] == [{"lr": 0.002, "batch": 64}]
    assert [t["lr"] for t in rounds[1]] == [0.001, 0.004, 0.002, 0.002]
    assert result.best.settings["lr"] == pytest.approx(0.0113, rel=0.2)
    assert result.best.loss == min(trial.loss for trial in result.trials)
    assert result.bracketed == {"lr": True, "batch": True}


def test_the_effort_is_what_was_asked_and_nothing_is_tried_twice():
    for trials in (1, 2, 7, 30):
        result, _ = run(trials=trials)
        assert len({tuple(trial.settings.values()) for trial in result.trials}) == trials


def test_it_is_deterministic():
    assert run()[0] == run()[0]


def test_a_search_that_ends_on_its_way_says_so():
    result, _ = run(trials=6)
    assert result.bracketed["lr"] is False


def test_runs_that_diverge_are_left_behind():
    result, _ = run(loss=lambda lr, batch: math.nan if lr > 0.003 else bowl(lr, batch))
    assert result.best.settings["lr"] <= 0.003
    assert math.inf in [trial.loss for trial in result.trials]
    assert result.bracketed["lr"] is True


def test_a_bound_is_as_good_as_a_worse_neighbour_and_few_values_end_the_search():
    bounded = Axis("x", 2.0, lambda value: value if value in (1.0, 2.0, 4.0) else None)
    result, _ = run((bounded,), trials=10, loss=lambda x: x)
    assert [trial.settings["x"] for trial in result.trials] == [2.0, 1.0, 4.0]
    assert result.best.settings == {"x": 1.0}
    assert result.bracketed == {"x": True}
