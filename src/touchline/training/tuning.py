"""Settings are searched with Optuna: scored by the proper score on rolling windows, pruned, and resumed.

Trials are asked for and told in batches, so that the same seed and number of workers try the same settings in the
same order, however fast each is. A study on disk goes on where it stopped, and a study of newer data begins with the
best settings of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from touchline.errors import WorkerLost
from touchline.training.attempts import Attempt, GivesUp, Scored, score_attempt
from touchline.training.contest import Contest
from touchline.training.estimators.base import Deadline, Family, ParamValue
from touchline.training.recipe import Recipe
from touchline.training.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna
    from optuna.trial import FrozenTrial, Trial

TrialState = Literal["complete", "pruned", "failed"]

# Without a number of trials the time alone ends a search; this ends it when the clock does not.
_MOST_TRIALS: Final = 10_000
_WARM_STARTS: Final = 3
_UNPRUNED: Final = 6


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
    """A search: how it was done, and every setting tried. `resumed` trials were done before this run."""

    study: str
    sampler: str
    optuna: str
    trials: tuple[TrialReport, ...]
    resumed: int


@dataclass(frozen=True)
class Search:
    """How much one candidate's search may cost, and where its study is kept (nowhere: in memory)."""

    trials: int
    seconds: float | None
    workers: Workers
    folder: Path | None = None


def tune(recipe: Recipe, family: Family, contest: Contest, search: Search) -> tuple[Recipe | None, TuningReport]:
    """The best setting tried (None when none got a score), and the report of the search."""
    study, resumed = _open_study(recipe, contest, search)
    deadline = Deadline.within(search.seconds)
    at_once = search.workers.count(recipe.threads)
    wanted = (search.trials or _MOST_TRIALS) - resumed
    while wanted > 0 and (deadline.left is None or deadline.left > 0):
        asked = [study.ask() for _ in range(min(at_once, wanted))]
        # Drawn here, one after the other: workers would share the sampler's chance in any order.
        attempts = [
            Attempt(
                _setting(trial, recipe, family, contest),
                family,
                deadline.left,
                _gives_up(trial) if search.workers.are_near else None,
            )
            for trial in asked
        ]
        tried = search.workers.map(score_attempt, contest, attempts, threads=recipe.threads)
        for trial, found in zip(asked, tried, strict=True):
            _tell(study, trial, Scored(None, str(found)) if isinstance(found, WorkerLost) else found)
        wanted -= len(asked)
    best = _best_params(study)
    tuned = None if best is None else replace(recipe, params={**recipe.params, **best})
    return tuned, _report(study, resumed)


def _setting(trial: Trial, recipe: Recipe, family: Family, contest: Contest) -> Recipe:
    params = {**recipe.params, **family.suggest(trial, contest.rows.kind), **contest.fixed(recipe)}
    trial.set_user_attr("params", dict(params))
    return replace(recipe, params=params)


def _gives_up(trial: Trial) -> GivesUp:
    """A setting is given up once it is worse than most were by then."""

    def ask(mean: float, windows: int) -> bool:
        trial.report(mean, windows)
        return bool(trial.should_prune())

    return ask


def _tell(study: optuna.Study, trial: Trial, found: Scored) -> None:
    from optuna.trial import TrialState

    if found.score is not None:
        study.tell(trial, found.score)
    elif found.error is None:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        trial.set_user_attr("error", found.error)
        study.tell(trial, state=TrialState.FAIL)


def _open_study(recipe: Recipe, contest: Contest, search: Search) -> tuple[optuna.Study, int]:
    import optuna

    with _quiet():
        storage = _storage(search.folder)
        name = study_name(recipe, contest)
        sampler = optuna.samplers.TPESampler(seed=recipe.seed, multivariate=True, n_startup_trials=_UNPRUNED)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED)
        known = optuna.get_all_study_summaries(storage)
        study = optuna.create_study(
            storage=storage, study_name=name, sampler=sampler, pruner=pruner, direction="minimize", load_if_exists=True
        )
        if not study.trials:
            study.set_user_attr("candidate", recipe.candidate)
            for params in _earlier_best(known, storage, recipe.candidate):
                study.enqueue_trial(params)
    return study, sum(trial.state.is_finished() for trial in study.trials)


def _storage(folder: Path | None) -> Any:
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if folder is None:
        return InMemoryStorage()
    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / "studies.log")))


def study_name(recipe: Recipe, contest: Contest) -> str:
    """Names the search by all that its scores depend on: the rows, the windows, the score and the fixed settings."""
    digest = sha256(contest.rows.vectors.tobytes())
    digest.update(np.asarray(contest.rows.labels).tobytes())
    for window in contest.windows:
        digest.update(window.fit.tobytes() + window.validation.tobytes())
    settled = [recipe.family, recipe.columns, recipe.seed, recipe.class_weight, recipe.smote, contest.fixed(recipe)]
    digest.update(repr([settled, contest.training.score_for(contest.rows.kind)]).encode())
    return f"{recipe.candidate}-{digest.hexdigest()[:16]}"


def _earlier_best(known: Sequence[Any], storage: Any, candidate: str) -> list[dict[str, Any]]:
    """The best settings of the candidate's newest earlier study."""
    import optuna

    same = [found for found in known if found.user_attrs.get("candidate") == candidate and found.datetime_start]
    if not same:
        return []
    newest = max(same, key=lambda found: found.datetime_start)
    done = optuna.load_study(study_name=newest.study_name, storage=storage).get_trials(deepcopy=False)
    scored = sorted((trial for trial in done if trial.value is not None), key=lambda trial: trial.value or 0.0)
    return [trial.params for trial in scored[:_WARM_STARTS]]


def _best_params(study: optuna.Study) -> dict[str, ParamValue] | None:
    scored = [trial for trial in study.trials if trial.value is not None and np.isfinite(trial.value)]
    if not scored:
        return None
    best: FrozenTrial = min(scored, key=lambda trial: (trial.value, trial.number))
    return dict(best.user_attrs["params"])


def _report(study: optuna.Study, resumed: int) -> TuningReport:
    import optuna

    trials = tuple(_trial_report(trial) for trial in study.trials if trial.state.is_finished())
    return TuningReport(study.study_name, type(study.sampler).__name__, optuna.__version__, trials, resumed)


def _trial_report(trial: FrozenTrial) -> TrialReport:
    states: dict[str, TrialState] = {"COMPLETE": "complete", "PRUNED": "pruned"}
    state = states.get(trial.state.name, "failed")
    params = trial.user_attrs.get("params", trial.params)
    took = trial.duration.total_seconds() if trial.duration else 0.0
    score = trial.value if state == "complete" else None
    return TrialReport(trial.number, params, score, state, took)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells of each step on standard error; what it did is in the report."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
