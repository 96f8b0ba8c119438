"""The schedule of retrainings that would have been the best in hindsight: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """The steps whose model takes over at once, the first one included, and the loss of the whole time."""

    steps: tuple[int, ...]
    loss: float


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
    for end in range(1, count + 1):
        begins = starts[starts < end]
        totals = best[begins] + until[begins, end] - until[begins, begins] + np.where(begins > 0, cost, 0.0)
        order = np.lexsort((retrainings[begins], totals))
        chosen = begins[order[0]]
        best[end], start[end], retrainings[end] = totals[order[0]], chosen, retrainings[chosen] + (chosen > 0)
    steps, end = [], count
    while end > 0:
        steps.append(int(start[end]))
        end = int(start[end])
    return Schedule(tuple(reversed(steps)), float(best[count]))
