"""A sample's real data through its own declaration: ingested, computed, materialized, served and verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tests.stores import some_stores
from touchline.clock import FrozenClock
from touchline.features import (
    FeatureReader,
    LoggedVector,
    ServedFrom,
    ServedView,
    SkewReport,
    build_examples,
    build_training_set,
    compute_view,
    materialize,
    open_online_store,
    verify,
)
from touchline.ingest import ingest_source, read_snapshot
from touchline.project import load_project
from touchline.storage import Database

ROOT = Path(__file__).parents[2]
SAMPLES = {"football": ROOT / "projects" / "football", "leads": ROOT / "projects" / "leads"}


@dataclass(frozen=True)
class Pipeline:
    """A sample that is ingested and computed."""

    name: str
    task: Any
    views: tuple[Any, ...]
    histories: dict[str, Any]
    examples: pl.DataFrame
    columns: tuple[Any, ...]

    def served(self, folder: Path, instants: Sequence[datetime], each: int, *, skew: Any = None) -> Iterator[Any]:
        """What serving would log: at each instant the views are materialized and the next examples are asked for.

        `skew` is given each view's rows before they are materialized.
        """
        joins = [ServedView.of(self.name, join) for join in self.task.features]
        store = open_online_store("sqlite", str(folder / "online.db"))
        reader = FeatureReader(tuple(joins), self.columns, store, tuple(self.task.on_demand))
        for number, at in enumerate(instants):
            for view in self.views:
                history = self.histories[view.name]
                materialize(view, history if skew is None else skew(history), store, now=at)
            upcoming = self.examples.filter(pl.col("cutoff") >= at).sort("cutoff", "example_id").head(each)
            rows = upcoming.to_dicts()
            found = reader.read(rows, [row["cutoff"] for row in rows])
            for row, vector, statuses in zip(rows, found.vectors, found.statuses, strict=True):
                views = {_label(one): ServedFrom(one.status, one.watermark) for one in statuses}
                yield LoggedVector(f"{number}/{row['example_id']}", row, row["cutoff"], views, vector)
        store.close()

    def verified(self, logged: Sequence[Any]) -> SkewReport:
        """The logged vectors against what history gives."""
        return verify(
            logged,
            views=[ServedView.of(self.name, join) for join in self.task.features],
            columns=self.columns,
            histories={name: history.scan() for name, history in self.histories.items()},
            transforms=tuple(self.task.on_demand),
        )


def a_pipeline(name: str, folder: Path, choose: pl.Expr | None = None) -> Pipeline:
    """Ingest a sample's own data (or the rows of its first source that are chosen) and compute its features."""
    project = load_project(SAMPLES[name], base=ROOT).project
    database = Database.open(f"sqlite:///{folder / 'touchline.db'}")
    database.migrate()
    stores, clock = (
        some_stores(database, folder),
        FrozenClock(datetime.fromisoformat("2030-01-01T00:00:00+00:00")),
    )
    for source in project.sources:
        provider = source.provider if choose is None else _Chosen(source.provider, choose)
        ingest_source(source.model_copy(update={"provider": provider}), project=name, stores=stores, clock=clock)
    histories = {
        view.name: compute_view(view, project=name, stores=stores, clock=clock) for view in project.feature_views
    }
    task = project.task
    snapshots = {source.name: read_snapshot(name, source.name, stores) for source in project.sources}
    examples = build_examples(task.examples, snapshots).rows
    training_set = build_training_set(examples, task.features, histories, task.inputs, task.on_demand)
    return Pipeline(name, task, tuple(project.feature_views), histories, examples, training_set.columns)


@dataclass(frozen=True)
class _Chosen:
    """A provider's rows, but only those that are chosen."""

    whole: Any
    choose: pl.Expr

    def fetch(self, context: Any) -> Any:
        found = self.whole.fetch(context)
        return replace(found, frame=found.frame.filter(self.choose))


def _label(status: Any) -> str:
    return f"{status.view}:{status.prefix}" if status.prefix else str(status.view)
