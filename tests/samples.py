"""The sample projects, small, in a home of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from tests.stores import with_tables
from touchline.automation import PipelineReport, Stores, run_pipeline
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.ingest import Fetched
from touchline.project import load_project
from touchline.registry import Gate
from touchline.settings import Settings

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Fewer:
    """A provider's rows, but only those that are chosen."""

    whole: Any
    choose: Callable[[pl.DataFrame], pl.DataFrame]

    def fetch(self, context: Any) -> Fetched:
        found: Fetched = self.whole.fetch(context)
        return replace(found, frame=self.choose(found.frame))


@dataclass(frozen=True)
class Sample:
    """Where a sample lies, which rows a test takes, and how it is learned there."""

    folder: Path
    choose: Callable[[pl.DataFrame], pl.DataFrame]
    training: dict[str, Any]
    gates: tuple[Gate, ...]


SAMPLES = {
    "football": Sample(
        _ROOT / "projects" / "football",
        lambda matches: matches.filter(pl.col("season") >= 2004),
        {"candidates": ("logistic",), "test": "1y", "validation": 0.2, "calibration": ("none",)},
        (Gate("accuracy", at_least=0.3),),
    ),
    "leads": Sample(
        _ROOT / "projects" / "leads",
        lambda people: people.head(1500),
        {"candidates": ("logistic",), "calibration": ("none",), "smote": False},
        (Gate("pr_auc", at_least=0.01),),
    ),
    "hotel_rates": Sample(
        _ROOT / "tests" / "projects" / "hotel_rates",
        lambda bookings: bookings.filter(pl.col("arrival_date") >= pl.datetime(2017, 1, 15)),
        {"candidates": ("ridge", "lightgbm"), "test": "45d"},
        (Gate("rmse", at_most=80), Gate.improves("rmse")),
    ),
}


def a_small_sample(name: str, place: Path) -> OpenedProject:
    """The opened of a sample with few rows and cheap training; everything else is as it is declared."""
    sample = SAMPLES[name]
    home = Home(Settings(home=place / "home"), _ROOT)
    loaded = load_project(sample.folder, base=_ROOT)
    declared = loaded.project
    project = declared.model_copy(
        update={
            "sources": tuple(
                source.model_copy(update={"provider": Fewer(source.provider, sample.choose)})
                for source in declared.sources
            ),
            "training": declared.training.model_copy(update=sample.training),
            "gates": sample.gates,
        }
    )
    return OpenedProject(home, replace(loaded, project=project))


def trained(opened: OpenedProject, *, is_forced: bool = False) -> tuple[PipelineReport, Stores]:
    """Ingest, train and promote, as `touchline train` does."""
    with_tables(opened.home.settings.home)
    report = run_pipeline(pipeline_context(opened), trigger="train", actor="tests", is_forced=is_forced)
    return report, opened.stores
