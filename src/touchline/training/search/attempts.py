"""One attempt of a search: a setting fitted and scored on the windows of a context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from touchline.errors import BudgetExceeded
from touchline.training.data.rows import LabelledRows
from touchline.training.estimators.base import Deadline, Family
from touchline.training.fitting.fit import Array, OutOfFold, fit_out_of_fold
from touchline.training.fitting.recipe import Recipe
from touchline.training.metrics.losses import loss_rows
from touchline.training.search.context import SearchContext
from touchline.training.search.time_limit import run_within

# Told the mean loss so far and how many windows it is of; true ends the attempt.
GivesUp = Callable[[float, int], bool]


@dataclass(frozen=True)
class Attempt:
    """A setting to score within so many seconds. Workers that are far away cannot be asked whether to give up."""

    setting: Recipe
    family: Family
    seconds: float | None
    gives_up: GivesUp | None = None


@dataclass(frozen=True)
class Scored:
    """The mean loss and what was said; without them, why: given up or out of time (no error), or failed."""

    score: float | None
    error: str | None = None
    out_of_fold: OutOfFold | None = None


class _GivenUp(Exception):
    """The setting is worse than most were by then."""


def score_attempt(context: SearchContext, attempt: Attempt) -> Scored:
    """What came of the attempt; nothing that a library does with a setting ends the search."""
    try:
        return run_within(attempt.seconds, attempt.setting.candidate, lambda: _scored(context, attempt))
    except (BudgetExceeded, _GivenUp):
        return Scored(None)
    except Exception as wrong:  # noqa: BLE001  a setting may break a library; the study records it and goes on
        return Scored(None, f"{type(wrong).__name__}: {wrong}")


def _scored(context: SearchContext, attempt: Attempt) -> Scored:
    name = context.training.score_for(context.rows.kind)
    losses: list[float] = []

    def watch(held: LabelledRows, predictions: Array) -> None:
        losses.append(float(loss_rows(name, held.labels, predictions).mean()))
        is_last = len(losses) == len(context.windows)
        if attempt.gives_up and not is_last and attempt.gives_up(float(np.mean(losses)), len(losses)):
            raise _GivenUp

    out_of_fold = fit_out_of_fold(
        attempt.setting,
        attempt.family,
        context.rows,
        context.windows,
        deadline=Deadline.within(attempt.seconds),
        watch=watch,
    )
    score = float(np.mean(losses))
    return Scored(score, None, out_of_fold) if np.isfinite(score) else Scored(None, f"the mean loss is {score}")
