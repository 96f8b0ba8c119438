"""What `benchmarks/prove_gates_year.py` proves, small: a weekly retraining passes, and a bad model does not."""

from __future__ import annotations

import numpy as np
from benchmarks.simulations.year import (
    World,
    better_recipe,
    changes_and_incidents,
    drifting_world,
    years,
)


def test_a_drifting_world_is_followed_at_the_cost_of_refitting_without_gates() -> None:
    (year,) = years(drifting_world, World(rows=60, drift=0.03), runs=1, seed=3)
    assert year.passed >= 0.95 * year.refreshes
    ungated, gated, stale = (np.mean(loss) for loss in (year.ungated_loss, year.loss, year.stale_loss))
    assert gated - ungated <= 0.1 * (stale - ungated)


def test_a_better_recipe_arrives_within_twelve_weeks() -> None:
    found = years(better_recipe, World(rows=120, worth=0.02), runs=3, seed=2)
    assert all((year.arrival or 99) <= 12 for year in found)


def test_worse_recipes_and_spoilt_refreshes_do_not_go_live() -> None:
    (year,) = years(changes_and_incidents, World(rows=30, worth=0.02), runs=1, seed=1)
    assert year.harmful == 0
    assert year.passed >= 20
