from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from touchline.rehearsal.yardstick import best_schedule, cross_fitted


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


def folds_of(means: np.ndarray, *, seed: int, noise: float = 1.0) -> np.ndarray:
    """Eight folds with one example a step each: models with these mean losses, and the same noise for all models."""
    random = np.random.default_rng(seed)
    count = len(means)
    own = random.normal(0, noise, (8, count, count))  # what each model owes to chance alone
    return np.where(np.tri(count, k=-1, dtype=bool), np.nan, means[:, None] + own)


def test_where_all_models_are_alike_hindsight_gains_nothing_but_luck() -> None:
    folds = folds_of(np.full(60, 5.0), seed=1)
    one = folds.sum(axis=0)[0].sum()
    naive = best_schedule(folds.sum(axis=0), [True] * 60).loss
    found = cross_fitted(folds, [True] * 60)
    error = np.sqrt(8 * 60)
    assert naive < one - 3 * error
    assert found.losses.sum() == pytest.approx(8 * 60 * 5.0, abs=3 * error)


def test_a_change_that_lasts_is_a_gain_that_chance_does_not_explain() -> None:
    means = np.where(np.arange(60) < 30, 5.0, 3.0)
    found = cross_fitted(folds_of(means, seed=2), [True] * 60)
    assert found.losses.sum() == pytest.approx(8 * (30 * 5.0 + 30 * 3.0), abs=3 * np.sqrt(8 * 60))
    assert found.schedule.steps[-1] >= 30
    assert found.retrainings >= 1


def test_the_cost_of_retrainings_counts_on_both_halves() -> None:
    means = np.where(np.arange(20) < 10, 5.0, 3.0)
    free, dear = (cross_fitted(folds_of(means, seed=3, noise=0.0), [True] * 20, cost=cost) for cost in (0.0, 7.0))
    assert (free.retrainings, dear.retrainings) == (1, 1)
    assert dear.losses.sum() == pytest.approx(free.losses.sum() + 7.0)


def test_without_a_second_model_hindsight_is_the_first() -> None:
    folds = folds_of(np.full(5, 2.0), seed=4)
    found = cross_fitted(folds, [True, False, False, False, False])
    assert found.losses.tolist() == pytest.approx(folds.sum(axis=0)[0].tolist())
    assert (found.retrainings, found.schedule.steps) == (0, (0,))
