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
class AttemptScore:
    """The mean loss and the predictions; both are None if the attempt was pruned, timed out or failed (`error`)."""

    score: float | None
    error: str | None = None
    out_of_fold: OutOfFold | None = None


class _GivenUp(Exception):
    """The setting scores worse than most settings did at the same step."""


def score_attempt(context: SearchContext, attempt: Attempt) -> AttemptScore:
    """The score of the attempt. An error that a library raises for a setting does not end the search."""
    try:
        return run_within(attempt.seconds, attempt.setting.candidate, lambda: _scored(context, attempt))
    except (BudgetExceeded, _GivenUp):
        return AttemptScore(None)
    except Exception as wrong:  # noqa: BLE001  a setting may break a library; the study records it and goes on
        return AttemptScore(None, f"{type(wrong).__name__}: {wrong}")


def _scored(context: SearchContext, attempt: Attempt) -> AttemptScore:
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
    return (
        AttemptScore(score, None, out_of_fold)
        if np.isfinite(score)
        else AttemptScore(None, f"the mean loss is {score}")
    )
