"""A training set in, a `TrainingResult` out.

Two fits: the evaluation fit knows only labels from before the test window and is evaluated on it; the release fit uses
the same recipe and all labels known now. Both models are exported and read back before they are used.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from touchline.errors import ClassesUnordered
from touchline.features import TrainingSet
from touchline.statistics import Profile, build_profile
from touchline.training.data.checks import Finding, check_rows, excluded_examples, validate_no_leak
from touchline.training.data.rows import Array, LabelledRows, labelled_rows
from touchline.training.data.splits import Split, further_deals, latest_windows, make_split
from touchline.training.evaluation.diagnostics import Diagnostics
from touchline.training.evaluation.evaluate import EvaluatedRows, Evaluation, evaluate, evaluate_interval, output_names
from touchline.training.fitting.blend import own_families
from touchline.training.fitting.conformal import PredictionInterval, conformal_interval
from touchline.training.fitting.fit import fit_recipe
from touchline.training.fitting.model import Model
from touchline.training.fitting.thresholds import threshold_rule
from touchline.training.inspection import Inspected, inspect
from touchline.training.result import SelfTest, TrainingResult
from touchline.training.search.candidates import Contender
from touchline.training.search.competition import compete, threads_for
from touchline.training.search.context import SearchContext
from touchline.training.search.options import Progress, TrainingOptions
from touchline.training.spec import Task, Training

_SELF_TEST_ROWS = 32
_LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "lightgbm",
    "catboost",
    "xgboost",
    "xgboost-cpu",
    "torch",
    "imbalanced-learn",
    "optuna",
    "flaml",
    "polars",
)

_INTERVAL_ROWS: Final = 100
_CORRECTION_ROWS: Final = 1_000


def train(
    task: Task,
    training: Training,
    training_set: TrainingSet,
    *,
    now: datetime,
    options: TrainingOptions | None = None,
) -> TrainingResult:
    """Let the candidates compete, evaluate the best one on the test window, and fit the model that is released.

    `options` says who does the fits; by default this machine's cores, with nobody listening. The same task, training
    and training set give the same models, bit for bit where the library can.
    """
    began = time.perf_counter()
    options = options or TrainingOptions()
    on_progress = options.on_progress
    context, split, findings = _prepared(labelled_rows(task, training_set, now=now), training, training_set.frame)
    winner, reports = compete(context, options)
    on_progress(Progress(f"fitting {winner.recipe.candidate}", 0.8))
    interval = _interval(winner, context, split)
    evaluation_model = _written_and_read(replace(_evaluation_fit(winner, context, split), interval=interval), winner)
    evaluation = _evaluate_on_test(evaluation_model, context, split, training_set.frame)
    on_progress(Progress("evaluating the model", 0.85))
    inspected = Inspected(evaluation_model, winner, context, split)
    diagnostics = inspect(inspected, training_set.frame, slices=task.slices) if options.has_diagnostics else None
    on_progress(Progress("fitting on all known labels", 0.95))
    model = _written_and_read(replace(_shipping_fit(winner, context, split), interval=interval), winner)
    return TrainingResult(
        findings=(*findings, *excluded_examples(training_set.excluded)),
        candidates=reports,
        best_candidate=winner.recipe.candidate,
        rows=split,
        evaluation=evaluation,
        diagnostics=diagnostics or Diagnostics(),
        evaluation_model=evaluation_model,
        model=model,
        recipe=replace(winner.recipe, dropped=model.preparation.dropped),
        profile=_profile(evaluation_model, context.rows.at(split.test)),
        self_test=_self_test(model, context.rows),
        training_set_hash=training_set.hash,
        trained_at=now,
        threshold_rule=_threshold_rule(winner, context),
        seconds=time.perf_counter() - began,
        libraries=library_versions(),
    )


def _prepared(
    rows: LabelledRows, training: Training, frame: pl.DataFrame
) -> tuple[SearchContext, Split, tuple[Finding, ...]]:
    """The rows divided and looked through for leaks, which end the training."""
    if training.score == "rps" and rows.kind == "multiclass" and not rows.has_ordered_classes:
        raise ClassesUnordered(training.score, rows.classes)
    split = make_split(rows, training, windows=training.tune.windows if training.tune.is_on else 1)
    findings = check_rows(rows, split, frame)
    validate_no_leak(findings, training.trusted)
    deals = further_deals(rows, training, split)
    return SearchContext(training, rows, split.windows, threads_for(training, rows), deals), split, findings


def _evaluation_fit(winner: Contender, context: SearchContext, split: Split) -> Model:
    # The correction comes from the validation windows, all of which lie before the test window.
    return fit_recipe(winner.recipe, winner.family, context.rows, (), on=split.train, calibrator=winner.calibrator)


def _shipping_fit(winner: Contender, context: SearchContext, split: Split) -> Model:
    """The model of all rows. In time, its correction comes from the latest windows, which cost a further fit each.

    Rows without time are alike: the correction of the evaluation model holds, where it comes from many rows.
    """
    if split.report.method != "time" and len(winner.out_of_fold.rows) >= _CORRECTION_ROWS:
        return fit_recipe(winner.recipe, winner.family, context.rows, (), calibrator=winner.calibrator)
    windows = latest_windows(context.rows, context.training, windows=len(context.windows))
    return fit_recipe(winner.recipe, winner.family, context.rows, windows)


def _interval(winner: Contender, context: SearchContext, split: Split) -> PredictionInterval | None:
    """From the errors of the winner's fits on validation rows that they have not seen; in time, on the latest.

    Where the latest window has few rows, all windows count.
    """
    if context.rows.kind != "regression":
        return None
    found = winner.out_of_fold
    last = len(found.windows[-1])
    count = last if split.report.method == "time" and last >= _INTERVAL_ROWS else len(found.rows)
    predicted = found.predictions[:, 0]
    errors = context.rows.labels[found.rows] - predicted
    return conformal_interval(errors[-count:], predicted[-count:], context.training.coverage)


def _written_and_read(model: Model, winner: Contender) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        model.export(Path(folder) / "model")
        return Model.restore(Path(folder) / "model", own_families(winner.family))


def _evaluate_on_test(model: Model, context: SearchContext, split: Split, frame: pl.DataFrame) -> Evaluation:
    test = context.rows.at(split.test)
    named = {name: _named_baseline(columns, frame, test) for name, columns in context.training.baselines.items()}
    predictions = model.predict(test.vectors)
    evaluated = EvaluatedRows.of(test, threshold=model.threshold, seed=context.training.seed)
    found = evaluate(context.rows.at(split.train), test, predictions, frame=frame, named=named, evaluated=evaluated)
    return replace(found, interval=evaluate_interval(model.interval, evaluated, predictions))


def _threshold_rule(winner: Contender, context: SearchContext) -> str:
    validated = context.rows.at(winner.out_of_fold.rows)
    return threshold_rule(context.training.threshold, validated.labels, len(validated.classes))


def _named_baseline(columns: tuple[str, ...], frame: pl.DataFrame, test: LabelledRows) -> Array:
    picked = frame[test.places]
    return np.stack([picked[name].cast(pl.Float64).to_numpy() for name in columns], axis=1)


def _profile(model: Model, test: LabelledRows) -> Profile:
    in_time = test.at(np.argsort(test.cutoffs, kind="stable"))
    said = model.predict(in_time.vectors)
    return build_profile(
        in_time.vectors,
        names=[column.name for column in model.columns],
        levels={column.name: column.levels for column in model.columns if column.kind == "category"},
        outputs={name: said[:, place] for place, name in enumerate(output_names(model.classes))},
        clusters=in_time.clusters,
    )


def _self_test(model: Model, rows: LabelledRows) -> SelfTest:
    chosen = np.linspace(0, len(rows) - 1, min(_SELF_TEST_ROWS, len(rows))).astype(np.int64)
    vectors = rows.vectors[chosen]
    return SelfTest(vectors, model.predict(vectors), rows.places[chosen])


def library_versions() -> dict[str, str]:
    """The installed versions of the libraries that can change the result of a training."""
    return dict(_installed_versions())


@cache
def _installed_versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
