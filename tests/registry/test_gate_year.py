"""What `benchmarks/prove_gates_year.py` proves, small: a weekly retraining passes, and a bad model does not."""

from __future__ import annotations

import numpy as np
from benchmarks.simulations.year import FULL, PLAIN, WINDOW, Stream, World
from benchmarks.simulations.year_loop import (
    BETTER_RECIPE,
    DRIFTING_WORLD,
    Loop,
    Year,
    changes_and_incidents,
    years,
)


def test_a_drifting_world_is_followed_at_the_cost_of_refitting_without_gates() -> None:
    (year,) = years(DRIFTING_WORLD, World(rows=60, drift=0.03), runs=1, seed=3)
    assert year.passed >= 0.95 * year.refreshes
    ungated, gated, stale = (np.mean(loss) for loss in (year.ungated_loss, year.loss, year.stale_loss))
    assert gated - ungated <= 0.1 * (stale - ungated)


def test_a_better_recipe_is_live_within_twelve_weeks() -> None:
    found = years(BETTER_RECIPE, World(rows=120, worth=0.02), runs=3, seed=2)
    assert all((year.arrival or 99) <= 12 for year in found)


def test_worse_recipes_and_spoilt_refreshes_do_not_go_live() -> None:
    (year,) = years(changes_and_incidents, World(rows=30, worth=0.02), runs=1, seed=1)
    assert year.harmful == 0
    assert year.passed >= 20


def test_a_recipe_that_is_better_only_in_the_data_passes_its_gate_and_ends_in_the_rollout() -> None:
    stream, year = Stream(World(rows=60, worth=0.04, is_skewed=True), np.random.default_rng(4)), Year()
    loop = Loop(stream, year, PLAIN)
    for week in range(WINDOW, WINDOW + 13):
        loop.change(week, FULL)
        loop.live(week)
    assert year.gate_passed == 1
    assert (year.changes, year.harmful) == (0, 0)


def test_a_live_model_that_is_much_worse_is_rolled_back() -> None:
    stream, year = Stream(World(rows=200), np.random.default_rng(5)), Year()
    loop = Loop(stream, year, FULL)
    predecessor = loop.model
    loop._move(WINDOW, -predecessor, FULL, WINDOW)
    for week in range(WINDOW, WINDOW + 3):
        loop.live(week)
    assert (year.rollbacks, year.false_rollbacks) == (1, 0)
    assert loop.model is predecessor


def test_a_refresh_waits_while_a_change_is_rolled_out() -> None:
    stream, year = Stream(World(rows=60, worth=0.04), np.random.default_rng(4)), Year()
    loop = Loop(stream, year, PLAIN)
    week = next(week for week in range(WINDOW, WINDOW + 52) if loop.change(week, FULL))
    live = loop.model
    assert not loop.refresh(week)
    assert loop.model is live
    assert (year.waited, year.refreshes) == (1, 0)
