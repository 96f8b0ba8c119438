from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from touchline.rehearsal.yardstick import best_schedule


def loss_of(losses: np.ndarray, steps: tuple[int, ...], cost: float) -> float:
    """The loss of a schedule, added up step by step."""
    total, live = 0.0, 0
    for step in range(losses.shape[1]):
        if step in steps:
            total += cost if step else 0.0
            live = step
        total += losses[live, step]
    return total


@pytest.mark.parametrize("seed", range(40))
def test_the_best_schedule_is_that_of_trying_them_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, cost = int(random.integers(1, 8)), float(random.choice([0.0, 0.3, 2.0]))
    losses = np.where(np.tri(count, k=-1, dtype=bool), np.nan, random.random((count, count)))
    trained = [True, *(random.random(count - 1) < 0.7)]
    losses[~np.array(trained)] = np.nan
    later = [step for step in range(1, count) if trained[step]]
    every = [(0, *some) for size in range(len(later) + 1) for some in combinations(later, size)]
    best = best_schedule(losses, trained, cost=cost)
    assert best.loss == pytest.approx(min(loss_of(losses, steps, cost) for steps in every))
    assert loss_of(losses, best.steps, cost) == pytest.approx(best.loss)


def test_of_equal_schedules_the_one_with_fewer_retrainings_wins() -> None:
    assert best_schedule(np.ones((5, 5)), [True] * 5).steps == (0,)


def test_a_dear_retraining_is_left_out() -> None:
    losses = np.array([[1.0, 2.0], [np.nan, 1.0]])
    assert best_schedule(losses, [True, True], cost=0.5).steps == (0, 1)
    assert best_schedule(losses, [True, True], cost=1.5).steps == (0,)


def test_a_schedule_begins_with_a_model() -> None:
    with pytest.raises(ValueError, match="begins with the model of its first step"):
        best_schedule(np.ones((2, 2)), [False, True])
