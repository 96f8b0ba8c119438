"""Settings are searched with Optuna: scored by the proper score on rolling windows, and pruned.

Where the number of trials ends a search, they are asked for and told in batches, so that the same seed and number of
workers try the same settings in the same order, however fast each is. Where the time ends it, no worker waits for
another, and a search that has long found nothing better leaves its time to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from touchline.errors import WorkerLost
from touchline.training.estimators.base import Deadline, Family, ParamValue
from touchline.training.fitting.category_means import CATEGORIES, SETTING
from touchline.training.fitting.fit import OutOfFold
from touchline.training.fitting.recipe import Recipe
from touchline.training.search.attempts import Attempt, AttemptScore, GivesUp, score_attempt
from touchline.training.search.context import SearchContext
from touchline.training.search.studies import open_study
from touchline.training.search.workers import Workers

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

TrialState = Literal["complete", "pruned", "failed"]

# Without a number of trials the time alone ends a search; this ends it when the clock does not.
_MOST_TRIALS: Final = 10_000
# So many settings per parameter without a better one, and more would hardly find it.
_PATIENCE: Final = 15


@dataclass(frozen=True)
class TrialReport:
    """One setting that was tried; without a score it failed or was pruned before its last window."""

    number: int
    params: Mapping[str, ParamValue]
    score: float | None
    state: TrialState
    seconds: float


@dataclass(frozen=True)
class TuningReport:
    """A search: how it was done, and every setting tried. `resumed` trials were done before this run.

    `best` are the parameters of the best setting before a fit settled any of them, such as a number of rounds.
    """

    study: str
    sampler: str
    optuna: str
    trials: tuple[TrialReport, ...]
    resumed: int
    best: Mapping[str, ParamValue] | None = None


@dataclass(frozen=True)
class Search:
    """The limits of one candidate's search, and the place where its study is stored (None: in memory)."""

    trials: int
    seconds: float | None
    workers: Workers
    folder: Path | None = None


@dataclass(frozen=True)
class Tuned:
    """The best setting tried (None when none got a score), and what it said where this very search has tried it."""

    recipe: Recipe | None
    out_of_fold: OutOfFold | None
    seconds: float
    report: TuningReport


def tune(recipe: Recipe, family: Family, context: SearchContext, search: Search) -> Tuned:
    """Search the settings of a family."""
    study, resumed = open_study(recipe, context, search.folder)
    hunt = _Hunt(recipe, family, context, search, study)
    hunt.trials_left = (search.trials or _MOST_TRIALS) - resumed
    if search.seconds is None:
        hunt.in_batches()
    else:
        hunt.without_waiting()
    report = _report(study, resumed)
    best = _best(study)
    if best is None:
        return Tuned(None, None, 0.0, report)
    out_of_fold = hunt.best[1].out_of_fold if hunt.best[0] == best.number else None
    params = {**recipe.params, **best.user_attrs["params"]}
    tuned = replace(recipe, params=params)
    return Tuned(tuned, out_of_fold, _seconds(best), replace(report, best=params))


@dataclass
class _Hunt:
    """One search while it goes on. The study is asked and told by one worker at a time."""

    recipe: Recipe
    family: Family
    context: SearchContext
    search: Search
    study: optuna.Study
    trials_left: int = 0

    def __post_init__(self) -> None:
        self.deadline = Deadline.within(self.search.seconds)
        self.lock = Lock()
        self.best: tuple[int, AttemptScore] = (-1, AttemptScore(None))
        self.idle = 0
        self.patience = _MOST_TRIALS

    @property
    def is_over(self) -> bool:
        out_of_time = self.deadline.left is not None and self.deadline.left <= 0
        return self.trials_left <= 0 or out_of_time or self.idle > self.patience

    def in_batches(self) -> None:
        at_once = self.search.workers.count(self.recipe.threads)
        while not self.is_over:
            asked: list[tuple[Trial, Attempt]] = []
            while len(asked) < at_once and self.trials_left > 0:
                asked.append(self.next_trial())
            for (trial, _), attempt_score in zip(asked, self.tried([attempt for _, attempt in asked]), strict=True):
                self.record_score(trial, attempt_score)

    def without_waiting(self) -> None:
        def keep_trying(_: int) -> None:
            while True:
                with self.lock:
                    if self.is_over:
                        return
                    trial, attempt = self.next_trial()
                attempt_score = self.tried([attempt])[0]
                with self.lock:
                    self.record_score(trial, attempt_score)

        at_once = self.search.workers.count(self.recipe.threads)
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(keep_trying, range(at_once)))

    def next_trial(self) -> tuple[Trial, Attempt]:
        self.trials_left -= 1
        trial = self.study.ask()
        setting = _setting(trial, self.recipe, self.family, self.context)
        if not set(trial.params) - set(self.context.fixed(self.recipe)):
            # Nothing is left to choose: every further try would be this one again.
            self.trials_left = 0
        if self.search.seconds is not None:
            self.patience = _PATIENCE * max(1, len(trial.params))
        gives_up = _gives_up(trial) if self.search.workers.are_near else None
        return trial, Attempt(setting, self.family, self.deadline.left, gives_up)

    def tried(self, attempts: list[Attempt]) -> list[AttemptScore]:
        attempt_score = self.search.workers.map(score_attempt, self.context, attempts, threads=self.recipe.threads)
        return [AttemptScore(None, str(each)) if isinstance(each, WorkerLost) else each for each in attempt_score]

    def record_score(self, trial: Trial, attempt_score: AttemptScore) -> None:
        from optuna.trial import TrialState

        self.idle += 1
        if attempt_score.score is None:
            if attempt_score.error is not None:
                trial.set_user_attr("error", attempt_score.error)
            self.study.tell(trial, state=TrialState.PRUNED if attempt_score.error is None else TrialState.FAIL)
            return
        self.study.tell(trial, attempt_score.score)
        if self.best[1].score is None or attempt_score.score < self.best[1].score:
            self.best, self.idle = (trial.number, attempt_score), 0


def _setting(trial: Trial, recipe: Recipe, family: Family, context: SearchContext) -> Recipe:
    suggested = dict(family.suggest(trial, context.rows.kind))
    if family.layout == "trees" and not recipe.smote and any(c.kind == "category" for c in context.rows.columns):
        suggested[SETTING] = trial.suggest_categorical(SETTING, CATEGORIES)
    params = {**recipe.params, **suggested, **context.fixed(recipe)}
    trial.set_user_attr("params", dict(params))
    return replace(recipe, params=params)


def _gives_up(trial: Trial) -> GivesUp:
    """A setting is given up once it is worse than most were by then."""

    def next_trial(mean: float, windows: int) -> bool:
        trial.report(mean, windows)
        return bool(trial.should_prune())

    return next_trial


def _best(study: optuna.Study) -> FrozenTrial | None:
    scored = [trial for trial in study.trials if trial.value is not None and np.isfinite(trial.value)]
    return min(scored, key=lambda trial: (trial.value, trial.number), default=None)


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def _report(study: optuna.Study, resumed: int) -> TuningReport:
    import optuna

    trials = tuple(_trial_report(trial) for trial in study.trials if trial.state.is_finished())
    return TuningReport(study.study_name, type(study.sampler).__name__, optuna.__version__, trials, resumed)


def _trial_report(trial: FrozenTrial) -> TrialReport:
    states: dict[str, TrialState] = {"COMPLETE": "complete", "PRUNED": "pruned"}
    state = states.get(trial.state.name, "failed")
    params = trial.user_attrs.get("params", trial.params)
    score = trial.value if state == "complete" else None
    return TrialReport(trial.number, params, score, state, _seconds(trial))
