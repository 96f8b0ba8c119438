"""One attempt of a search: a setting fitted and scored on the windows of a contest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from touchline.errors import BudgetExceeded
from touchline.training.bounded import run_within
from touchline.training.contest import Contest
from touchline.training.estimators.base import Deadline, Family
from touchline.training.fit import fit_estimator
from touchline.training.losses import loss_rows
from touchline.training.recipe import Recipe

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
    """The mean loss; without one, why: given up or out of time (no error), or failed."""

    score: float | None
    error: str | None = None


def score_attempt(contest: Contest, attempt: Attempt) -> Scored:
    """What came of the attempt; nothing that a library does with a setting ends the search."""
    try:
        return run_within(attempt.seconds, attempt.setting.candidate, lambda: _scored(contest, attempt))
    except BudgetExceeded:
        return Scored(None)
    except Exception as wrong:  # noqa: BLE001  a setting may break a library; the study records it and goes on
        return Scored(None, f"{type(wrong).__name__}: {wrong}")


def _scored(contest: Contest, attempt: Attempt) -> Scored:
    deadline, losses = Deadline.within(attempt.seconds), list[float]()
    name = contest.training.score_for(contest.rows.kind)
    for window in contest.windows:
        deadline.validate(attempt.setting.candidate)
        held, rows = contest.rows.at(window.validation), contest.rows.at(window.fit)
        preparation, fitted = fit_estimator(attempt.setting, attempt.family, rows, validation=held, deadline=deadline)
        said = fitted.predict(preparation.transform(held.vectors))
        losses.append(float(loss_rows(name, held.labels, said).mean()))
        is_last = len(losses) == len(contest.windows)
        if attempt.gives_up and not is_last and attempt.gives_up(float(np.mean(losses)), len(losses)):
            return Scored(None)
    score = float(np.mean(losses))
    return Scored(score) if np.isfinite(score) else Scored(None, f"the mean loss is {score}")
