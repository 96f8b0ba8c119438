"""The best schedule of retrainings in hindsight, and the loss that it may be expected to have: pure.

The schedule with the lowest sum of realised losses has that sum partly by chance: it was chosen among thousands for it,
so its loss is too low to be a yardstick ("winner's curse"; Andrews, Kitagawa & McCloskey 2024). `cross_fitted` chooses
on one half of the examples and evaluates on the other, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SPLITS: Final = 12
_SEED: Final = 9
# What a retraining must bring on the half that chooses, as a share of all that the best schedule seems to bring.
_SHARES: Final = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


@dataclass(frozen=True)
class Schedule:
    """The steps whose model takes over at once, the first one included, and the loss of the whole time."""

    steps: tuple[int, ...]
    loss: float

    def models(self, count: int) -> NDArray[np.int64]:
        """The step whose model is live, for each of so many steps."""
        begins = np.array(self.steps, dtype=np.int64)
        return begins[np.searchsorted(begins, np.arange(count), side="right") - 1]


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """The schedules that one half chooses, evaluated on the other, as means over several ways to halve the examples.

    `losses` are the losses of each step, the cost of retrainings included; `retrainings` their mean number after the
    first. `penalty` is the loss that a retraining had to bring on the half that chooses, and of those tried the one
    with the lowest loss on the other half. `schedule` is what all examples choose under it.
    """

    losses: Array
    retrainings: float
    penalty: float
    schedule: Schedule


def best_schedule(losses: Array, trained: Sequence[bool], *, cost: float = 0.0) -> Schedule:
    """The schedule with the lowest sum of losses, by dynamic programming.

    `losses[i, w]` is the loss in step w of the model trained at step i; it counts for w >= i. A model can take over at
    the step of its training only, and `cost` is the loss that each retraining after the first is worth. The model of
    step 0 begins. Of equal schedules the one with fewer retrainings wins.

    >>> best_schedule(np.array([[1.0, 5.0], [0.0, 1.0]]), [True, True])
    Schedule(steps=(0, 1), loss=2.0)
    """
    count = losses.shape[1]
    if not count or not trained[0]:
        raise ValueError("a schedule begins with the model of its first step")
    until = np.concatenate([np.zeros((count, 1)), np.cumsum(np.nan_to_num(losses), axis=1)], axis=1)
    best = np.full(count + 1, np.inf)
    retrainings = np.zeros(count + 1, dtype=np.int64)
    start = np.zeros(count + 1, dtype=np.int64)
    best[0] = 0.0
    starts = np.flatnonzero(np.asarray(trained, dtype=np.bool_))
    fixed = np.where(starts > 0, cost, 0.0) - until[starts, starts]
    for end in range(1, count + 1):
        begins = starts[: np.searchsorted(starts, end)]
        totals = best[begins] + until[begins, end] + fixed[: len(begins)]
        equal = begins[totals == totals.min()]
        chosen = equal[retrainings[equal].argmin()]
        best[end], start[end], retrainings[end] = totals.min(), chosen, retrainings[chosen] + (chosen > 0)
    steps, end = [], count
    while end > 0:
        steps.append(int(start[end]))
        end = int(start[end])
    return Schedule(tuple(reversed(steps)), float(best[count]))


def cross_fitted(folds: Array, trained: Sequence[bool], *, cost: float = 0.0) -> CrossFitted:
    """The loss of hindsight that is no luck. `folds[f, i, w]` is the loss of fold f as `best_schedule` takes it.

    A schedule chosen on half of the examples is not better than the best one, so a regret to it is rather too low than
    too high; without the penalty it would follow the noise of its half.
    """
    every = folds.sum(axis=0)
    count = every.shape[1]
    gain = float(np.nansum(every[0])) - best_schedule(every, trained, cost=cost).loss
    halves = [(folds[list(ours)].sum(axis=0), folds[list(others)].sum(axis=0)) for ours, others in _splits(len(folds))]
    found = []
    for penalty in dict.fromkeys(share * max(gain, 0.0) for share in reversed(_SHARES)):
        losses, retrainings = np.zeros(count), 0
        for ours, others in halves:
            steps = best_schedule(ours, trained, cost=(cost + penalty) / 2).steps
            losses += others[Schedule(steps, 0.0).models(count), np.arange(count)]
            losses[list(steps[1:])] += cost / 2
            retrainings += len(steps) - 1
        found.append((float(losses.sum()), penalty, losses, retrainings))
    _, penalty, losses, retrainings = min(found, key=lambda one: one[0])
    schedule = best_schedule(every, trained, cost=cost + penalty)
    return CrossFitted(2 * losses / len(halves), retrainings / len(halves), penalty, schedule)


def _splits(folds: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ways to halve the folds, each from both sides."""
    random = np.random.default_rng(_SEED)
    for _ in range(_SPLITS):
        order = tuple(random.permutation(folds).tolist())
        yield order[: folds // 2], order[folds // 2 :]
        yield order[folds // 2 :], order[: folds // 2]
