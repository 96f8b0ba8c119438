"""Candidates compete: each is fitted on windows of the training rows and scored on what it has not seen."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from touchline.errors import BudgetExceeded, CandidateUnfit, MissingDependency, WorkerLost
from touchline.plugins import load, names
from touchline.training.data.rows import LabelledRows
from touchline.training.estimators.base import GROUP, Deadline, Family, Kind, ParamValue
from touchline.training.evaluation.evaluate import EvaluatedRows, point_metrics
from touchline.training.fitting.blend import pool_of
from touchline.training.fitting.calibration import (
    NO_CALIBRATION,
    Calibrator,
    choose_calibration,
    corrected_by_others,
    fit_calibrator,
)
from touchline.training.fitting.fit import OutOfFold, fit_out_of_fold
from touchline.training.fitting.recipe import Recipe
from touchline.training.fitting.rounds import is_in_time, settle_rounds
from touchline.training.fitting.thresholds import choose_threshold
from touchline.training.metrics.losses import FEW_ROWS, loss_rows, surprise_loss
from touchline.training.search.context import SearchContext
from touchline.training.search.time_limit import run_within
from touchline.training.search.tuning import TuningReport
from touchline.training.spec import Candidate

Array = NDArray[np.float64]

# Which extra brings a library.
_EXTRAS = {"torch": "mlp", "xgboost": "xgboost", "flaml": "automl"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A recipe, the family that can follow it, and how many seconds it may take."""

    recipe: Recipe
    family: Family
    seconds: float | None = None


@dataclass(frozen=True)
class CandidateReport:
    """The result of one candidate on the validation rows; `error` says why it has no metrics."""

    name: str
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    seconds: float
    error: str | None = None
    calibration: str = "none"
    score: float | None = None
    tuning: TuningReport | None = None


@dataclass(frozen=True)
class Contender:
    """A candidate that worked: its recipe, its score, and what it said about the validation rows."""

    recipe: Recipe
    family: Family
    score: float
    calibrator: Calibrator
    out_of_fold: OutOfFold
    losses: Array
    report: CandidateReport


def family_of(candidate: Candidate, kind: Kind) -> Family:
    """The candidate's family; `CandidateUnfit` names those that can learn this kind of task."""
    family: Family = load(GROUP, candidate.family) if isinstance(candidate.family, str) else candidate.family
    if kind not in family.kinds:
        raise CandidateUnfit(candidate.name, kind, [name for name in names(GROUP) if kind in load(GROUP, name).kinds])
    return family


def recipe_of(candidate: Candidate, family: Family, context: SearchContext) -> Recipe:
    """The candidate's recipe before anything is settled: the family's defaults under its own settings."""
    return Recipe(
        candidate=candidate.name,
        family=family.name,
        params={**family.defaults(context.rows.kind), **candidate.params},
        columns=tuple(column.name for column in context.rows.columns),
        seed=context.training.seed,
        class_weight=candidate.class_weight,
        smote=candidate.smote,
        most_columns=candidate.columns,
        is_recent=candidate.recent,
        threads=context.threads,
    )


def try_recipe(context: SearchContext, entry: Entry) -> Contender | CandidateReport:
    """The recipe's score on the validation rows, or a report of why there is none."""
    began, recipe, family = time.perf_counter(), entry.recipe, entry.family
    limits = [seconds for seconds in (entry.seconds, context.training.candidate_seconds) if seconds is not None]
    deadline = Deadline.within(min(limits, default=None))
    try:
        return run_within(deadline.seconds, recipe.candidate, lambda: _tried(recipe, family, context, deadline))
    except Exception as wrong:  # noqa: BLE001  a candidate may fail in any way; the others go on and the report says so
        _log.warning("candidate %s: %s", recipe.candidate, wrong, exc_info=not isinstance(wrong, BudgetExceeded))
        return CandidateReport(recipe.candidate, recipe.params, {}, time.perf_counter() - began, _reason(wrong))


def lost_report(entry: Entry, lost: WorkerLost) -> CandidateReport:
    """The report of a recipe whose worker was lost."""
    return CandidateReport(entry.recipe.candidate, entry.recipe.params, {}, 0.0, str(lost))


def _tried(recipe: Recipe, family: Family, context: SearchContext, deadline: Deadline) -> Contender:
    began = time.perf_counter()
    out_of_fold = fit_out_of_fold(recipe, family, context.rows, context.windows, deadline=deadline)
    out_of_fold = _over_deals(recipe, family, context, out_of_fold, deadline)
    return contender_of(_settled(recipe, family, context, out_of_fold, deadline), family, context, out_of_fold, began)


def _over_deals(
    recipe: Recipe, family: Family, context: SearchContext, first: OutOfFold, deadline: Deadline
) -> OutOfFold:
    """The mean prediction of each row over all deals of the folds; in each, its fit has not seen it."""
    total, places = first.predictions.copy(), np.argsort(first.rows)
    for deal in context.further_deals:
        again = fit_out_of_fold(recipe, family, context.rows, deal, deadline=deadline)
        total[places] += again.predictions[np.argsort(again.rows)]
    return replace(first, predictions=total / (1 + len(context.further_deals)))


def contender_of_fits(context: SearchContext, entry: Entry, out_of_fold: OutOfFold, seconds: float) -> Contender:
    """The contender of a recipe whose fits on the windows are done already, and took so many seconds."""
    began = time.perf_counter() - seconds
    deadline = Deadline.within(entry.seconds)
    out_of_fold = _over_deals(entry.recipe, entry.family, context, out_of_fold, deadline)
    recipe = _settled(entry.recipe, entry.family, context, out_of_fold, deadline)
    return contender_of(recipe, entry.family, context, out_of_fold, began)


def _settled(
    recipe: Recipe, family: Family, context: SearchContext, out_of_fold: OutOfFold, deadline: Deadline
) -> Recipe:
    """The recipe with the settings that its fits on windows found; of numbers in time the rounds are settled again."""
    settled, rows = dict(out_of_fold.settled), context.rows
    if rows.kind == "regression" and is_in_time(rows, context.windows):
        last = context.windows[-1]
        known = rows.at(np.union1d(last.fit, last.validation))
        settled = settle_rounds(recipe, family, known, settled, deadline=deadline)
    return replace(recipe, params={**recipe.params, **settled})


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, ModuleNotFoundError):
        missing = wrong.name or "?"
        return str(MissingDependency("This candidate", missing, [_EXTRAS[missing]] if missing in _EXTRAS else []))
    # Libraries in other languages add where they failed inside.
    return f"{type(wrong).__name__}: {str(wrong).partition(chr(10))[0]}"


def contender_of(
    recipe: Recipe, family: Family, context: SearchContext, out_of_fold: OutOfFold, began: float
) -> Contender:
    """Choose the correction of its probabilities, then score what it said, corrected by what other rows taught."""
    rows = context.rows.at(out_of_fold.rows)
    said = out_of_fold.predictions
    if not np.isfinite(said).all():
        raise ValueError(f"{int((~np.isfinite(said)).any(axis=1).sum())} of {len(said)} predictions are not finite")
    calibrator, corrected = NO_CALIBRATION, said
    if rows.kind != "regression":
        labels = np.asarray(rows.labels, dtype=np.int64)
        method = choose_calibration(labels, said, context.training.calibration, seed=recipe.seed)
        calibrator = fit_calibrator(method, labels, said)
        corrected = corrected_by_others(method, labels, said, seed=recipe.seed)
    threshold = choose_threshold(context.training.threshold, rows.labels, corrected)
    recipe = replace(recipe, calibration=calibrator.method, threshold=threshold)
    losses = _compared_losses(context.training.score_for(rows.kind), rows, corrected)
    score = float(losses.mean())
    metrics = point_metrics(EvaluatedRows.of(rows, threshold=threshold, seed=recipe.seed), corrected)
    seconds = time.perf_counter() - began
    report = CandidateReport(recipe.candidate, recipe.params, metrics, seconds, None, calibrator.method, score)
    return Contender(recipe, family, score, calibrator, out_of_fold, losses, report)


def _compared_losses(score: str, rows: LabelledRows, predictions: Array) -> Array:
    """The loss of each row; on few rows of a classification with one surprise more than was seen."""
    losses = loss_rows(score, rows.labels, predictions)
    if rows.kind == "regression" or len(losses) >= FEW_ROWS:
        return losses
    return np.append(losses, surprise_loss(score, predictions))


def best_of(contenders: Sequence[Contender]) -> Contender:
    """The lowest score; of equal ones the first declared."""
    return min(contenders, key=lambda contender: contender.score)


def first_of_the_best(contenders: Sequence[Contender]) -> Contender:
    """Of the contenders that the best does not beat by two standard errors the safest.

    On few rows the rest of the order is chance, and a large model that wins by chance is overconfident on other rows.
    A blend of probabilities is the first declared as far as few rows speak for nothing else, and comes first; a blend
    of numbers comes after the first declared.
    """
    best = best_of(contenders)
    blends = [contender for contender in contenders if contender.recipe.members]
    logs = [blend for blend in blends if pool_of(blend.recipe.params) == "log"]
    by_safety = [*logs, contenders[0], *blends, *contenders]
    return next(contender for contender in by_safety if not clearly_better(best, contender, errors=2.0))


def clearly_better(one: Contender, other: Contender, *, errors: float = 1.0) -> bool:
    """Whether one's losses on the same rows are lower by more than so many standard errors of the difference."""
    gains = other.losses - one.losses
    return bool(gains.mean() > errors * gains.std() / np.sqrt(len(gains)))
