"""Walk-forward predictions: the declared features and candidates over history, fitted again each period.

At the first day the candidates compete on the labels known by then. At the start of every period the winner's recipe is
fitted on the labels known at that instant, and predicts the examples whose cutoff lies in the period. Features are
joined point in time, so a row depends on nothing after its cutoff. No gate decides: `touchline rehearse` has those.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from touchline.automation import PipelineContext
from touchline.automation.runs import steps
from touchline.automation.runs.training_key import training_key
from touchline.errors import BacktestRefused
from touchline.features import TrainingSet, frame_vectors
from touchline.features.offline.history import newest_rows_of_source
from touchline.ingest import DataFolder
from touchline.project import Alternative
from touchline.registry import declared_families
from touchline.rehearsal.baseline_comparison import BaselineComparison, compare_with_baselines
from touchline.rehearsal.examples_in_time import cutoffs_in_words
from touchline.rehearsal.finished_periods import FinishedPeriods
from touchline.rehearsal.periods import Period, period_start
from touchline.rehearsal.scratch_home import RehearsalClock, open_scratch
from touchline.training import TrainingOptions, fit_as_known, library_versions, train

if TYPE_CHECKING:
    from touchline.project import LoadedProject, Project
    from touchline.training.fitting.recipe import Recipe

# The stores' clock stands after every row of the history; what a model may know is decided per period.
_AFTER_ALL: Final = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Backtest:
    """What to predict: examples with a cutoff from `first` up to, not including, `last`, and how often to fit.

    Finished periods are stored in `progress_folder`, and the same backtest continues there after an interruption.
    Remove them with `remove_finished_periods` when the rows are safe.
    """

    first: datetime
    last: datetime
    refit: Period = "weekly"
    data: Path | None = None
    alternative: str | None = None
    progress_folder: Path | None = None


@dataclass(frozen=True)
class BacktestResult:
    """One row an example in order of cutoff, and what produced them."""

    rows: pl.DataFrame
    candidate: str
    fits: int
    reused: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    comparisons: tuple[BaselineComparison, ...] = ()


def backtest(
    loaded: LoadedProject, request: Backtest, *, on_progress: Callable[[str], None] = lambda _: None
) -> BacktestResult:
    """Run a backtest in a scratch home. Raises `BacktestRefused` for what cannot be run, with the reason."""
    if request.first >= request.last:
        raise BacktestRefused(
            loaded.name, f"--from {request.first:%Y-%m-%d} is not before --to {request.last:%Y-%m-%d}"
        )
    project = _with_alternative(_with_data(loaded.project, request.data), request.alternative)
    with tempfile.TemporaryDirectory(prefix="touchline-backtest-") as place:
        stores = open_scratch(Path(place), RehearsalClock(_AFTER_ALL))
        context = PipelineContext(
            replace(loaded, project=project), stores, on_progress, TrainingOptions(has_diagnostics=False)
        )
        try:
            training_set, identities = _prepared(context)
        finally:
            stores.database.close()
        finished = FinishedPeriods(
            request.progress_folder or Path(place) / "finished", _progress_key(context.loaded, training_set, request)
        )
        return _walked(context, training_set, identities, request, finished)


def _progress_key(loaded: LoadedProject, training_set: TrainingSet, request: Backtest) -> str:
    """A hash of all that decides a period's predictions; `last` does not."""
    training = training_key(loaded, training_set.hash, library_versions())
    return sha256(f"{training} {request.first.isoformat()} {request.refit}".encode()).hexdigest()


def _with_data(project: Project, folder: Path | None) -> Project:
    if folder is None:
        return project
    readers = [source.name for source in project.sources if isinstance(source.provider, DataFolder)]
    if not readers:
        raise BacktestRefused(project.name, "no source reads a folder: give one the provider DataFolder to use --data")
    sources = tuple(
        source.model_copy(update={"provider": source.provider.at(folder)}) if source.name in readers else source
        for source in project.sources
    )
    return project.model_copy(update={"sources": sources})


def _with_alternative(project: Project, name: str | None) -> Project:
    if name is None:
        return project
    if name not in project.alternatives:
        known = ", ".join(sorted(project.alternatives)) or "none"
        raise BacktestRefused(project.name, f"it declares no alternative task {name!r}; declared: {known}")
    chosen = project.alternatives[name]
    parts = {"task": chosen.task, "training": chosen.training} if isinstance(chosen, Alternative) else {"task": chosen}
    return project.model_copy(update=parts)


def _prepared(context: PipelineContext) -> tuple[TrainingSet, pl.DataFrame]:
    """The training set of all examples, and the source's columns that identify each, by example."""
    steps.ingest_all(context)
    snapshots = steps.current_snapshots(context)
    histories = steps.compute_features(context, snapshots)
    examples = steps.current_examples(context, snapshots)
    training_set = steps.assemble_training_set(context, examples, snapshots=snapshots, histories=histories)
    source = context.project.task.examples.sources[0]
    rows = newest_rows_of_source(source, snapshots[source.name].scan_ingested().collect()).collect()
    return training_set, _identities(context.project, rows)


def _identities(project: Project, rows: pl.DataFrame) -> pl.DataFrame:
    """The declared columns of each row of the examples' first source, by the example's id."""
    source, shown = project.task.examples.sources[0], project.identity
    missing = [name for name in shown.values() if name not in rows.columns]
    if missing:
        raise BacktestRefused(project.name, f"`identity` names {missing[0]!r}, which {source.name!r} does not have")
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in source.keys], separator="|")
    return rows.select(example_id=key, **{name: pl.col(column) for name, column in shown.items()})


def _walked(
    context: PipelineContext,
    training_set: TrainingSet,
    identities: pl.DataFrame,
    request: Backtest,
    finished: FinishedPeriods,
) -> BacktestResult:
    project = context.project
    task, training = project.task, project.training
    wanted = training_set.frame.filter((pl.col("cutoff") >= request.first) & (pl.col("cutoff") < request.last))
    if wanted.is_empty():
        all_cutoffs = cutoffs_in_words(training_set.frame)
        raise BacktestRefused(project.name, f"no example has its cutoff between --from and --to; {all_cutoffs}")
    chosen = finished.recipe(lambda: _choose_recipe(context, training_set, request.first))
    predicted = []
    for start, end in _periods(request):
        rows = wanted.filter((pl.col("cutoff") >= start) & (pl.col("cutoff") < end))
        if rows.is_empty():
            continue
        context.on_progress(f"{start:%Y-%m-%d}: {rows.height} examples")
        predict = partial(_predict, project, chosen, training_set, rows, now=start)
        predicted.append(finished.period(start, end, predict))
    table = pl.concat(predicted)
    rows = _with_identities(project, table.drop("label"), identities)
    comparisons = compare_with_baselines(
        table,
        wanted,
        classes=task.classes,
        baselines=training.baselines if task.classes else {},
        leak_margins=training.leak_margins,
    )
    return BacktestResult(rows, chosen.candidate, len(predicted), finished.reused, _losses(table), comparisons)


def _choose_recipe(context: PipelineContext, training_set: TrainingSet, first: datetime) -> Recipe:
    """The recipe that wins on the labels known at the first day."""
    context.on_progress("choosing a candidate on what was known at the first day")
    project, options = context.project, TrainingOptions(has_diagnostics=False)
    return train(project.task, project.training, _before(training_set, first), now=first, options=options).recipe


def _with_identities(project: Project, table: pl.DataFrame, identities: pl.DataFrame) -> pl.DataFrame:
    """The identifying columns before the others. Raises `BacktestRefused` for an example that is no row's key."""
    if not project.identity:
        return table
    unknown = table.join(identities, on="example_id", how="anti")
    if unknown.height:
        name, source = unknown["example_id"][0], project.task.examples.sources[0].name
        reason = f"`identity` needs the key of {source!r} as example_id; example {name!r} is no key of it"
        raise BacktestRefused(project.name, reason)
    joined = table.join(identities, on="example_id", how="left", validate="m:1", maintain_order="left")
    return joined.select(*project.identity, *table.columns)


def _before(training_set: TrainingSet, now: datetime) -> TrainingSet:
    """The examples with a cutoff before an instant, and the levels that they have: later ones have no part in a fit."""
    frame = training_set.frame.filter(pl.col("cutoff") < now)
    columns = tuple(
        replace(column, levels=tuple(frame[column.name].cast(pl.String).drop_nulls().unique().sort()))
        if column.kind == "category"
        else column
        for column in training_set.columns
    )
    return replace(training_set, frame=frame, columns=columns)


def _predict(
    project: Project, recipe: Recipe, training_set: TrainingSet, rows: pl.DataFrame, *, now: datetime
) -> pl.DataFrame:
    """The recipe fitted on the labels known at `now`, and its predictions of these rows."""
    families = declared_families(project.training)
    known = _before(training_set, now)
    model = fit_as_known(recipe, project.task, project.training, known, now=now, families=families)
    values = model.predict(frame_vectors(model.columns, rows))
    # Of two classes the probability of the second says both.
    names = list(model.classes)[-1:] if len(model.classes) == 2 else list(model.classes) or ["value"]
    columns = values[:, -len(names) :]
    return rows.select(pl.col("example_id").cast(pl.String), "cutoff", pl.col("label").cast(pl.String)).with_columns(
        pl.Series(name, columns[:, place]) for place, name in enumerate(names)
    )


def _periods(request: Backtest) -> Iterator[tuple[datetime, datetime]]:
    """Periods from the first day on; the last is cut at the end."""
    start, number = request.first, 0
    while start < request.last:
        number += 1
        end = min(period_start(request.refit, request.first, request.last, number), request.last)
        yield start, end
        start = end


def _losses(table: pl.DataFrame) -> dict[str, float]:
    """The mean log loss of the examples whose label is known; the columns after the third are probabilities.

    Beside it that of the observed share of each class, which is known only afterwards, predicted for every example.
    """
    settled = table.filter(pl.col("label").is_not_null())
    names = settled.columns[3:]
    if settled.is_empty() or names == ["value"]:
        return {}
    if len(names) == 1:
        given = pl.when(pl.col("label") == names[0]).then(pl.col(names[0])).otherwise(1 - pl.col(names[0]))
    else:
        given = pl.coalesce(pl.when(pl.col("label") == name).then(pl.col(name)) for name in names)
    shares = settled["label"].value_counts(normalize=True)["proportion"]
    return {
        "log_loss": float(settled.select(-given.clip(1e-15, 1).log().mean()).item()),
        "base_rate_log_loss": float(-(shares * shares.log()).sum()),
    }
