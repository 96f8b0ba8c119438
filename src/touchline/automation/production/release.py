"""The release in Production with all that monitoring compares live rows with: profile and test window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.errors import ReleaseNotFound
from touchline.monitoring import LiveRows, RowShape, TestWindow, category_texts, read_live_rows, with_categories
from touchline.registry import ModelVersion, Release, Releases, read_version
from touchline.registry.gates.stored_predictions import (
    labels_and_predictions,
    predictions_of,
    read_stored_predictions,
)
from touchline.statistics import CategoryColumn, Profile
from touchline.training import loss_rows

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry

Array = NDArray[np.float64]
EPOCH: Final = date(1970, 1, 1)
# Where no incident says since when, the newest days are compared with all before.
RECENT_DAYS: Final = 30
_MICROSECONDS_A_DAY = 86_400_000_000
# So many weekly releases answer in the days that a check looks at; none of them changes once it is written.
_CACHED: Final = 64


@dataclass(frozen=True)
class ProductionRelease:
    """A version in Production, its release and its reference profile."""

    version: ModelVersion
    release: Release
    profile: Profile


@dataclass(frozen=True, eq=False)
class TestRows:
    """The predictions of the test rows: labels as numbers, predictions as [rows, outputs]."""

    __test__ = False  # no class of tests

    labels: Array
    predictions: Array
    window: TestWindow


def open_production(project: Project, stores: Registry) -> ProductionRelease:
    """The release in Production. Raises `VersionNotFound` or `ReleaseNotFound`."""
    return open_version(project, stores, "Production")


def open_version(project: Project, stores: Registry, reference: str | int) -> ProductionRelease:
    """The release of a version. Raises `VersionNotFound` or `ReleaseNotFound`."""
    version = read_version(stores, project.name, reference)
    release = Releases(stores).find(version.release_id or "")
    if release is None:
        raise ReleaseNotFound(project.name, version.release_id or f"of {reference}")
    path = release.path / "profile.npz"
    return ProductionRelease(version, release, _read_profile(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=_CACHED)
def _read_profile(path: Path, changed_at: int) -> Profile:  # noqa: ARG001  the time of the file that is cached
    with np.load(path, allow_pickle=False) as arrays:
        return Profile.from_arrays(arrays)


def test_rows(project: Project, stores: Registry, production: ProductionRelease) -> TestRows:
    """The test rows of the version, evaluated by the score that the project trains for."""
    version, manifest = production.version, production.release.read_manifest()
    score = project.training.score_for(manifest.task)
    frame, labels, predictions, losses = _in_time(read_stored_predictions(stores, version), manifest.classes, score)
    window = TestWindow(
        metrics=version.metrics,
        baseline=version.baseline,
        losses=losses,
        days=frame["cutoff"].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy() // _MICROSECONDS_A_DAY,
        score=score,
        threshold=manifest.threshold,
        has_ordered_classes=project.task.ordered,
        is_timed=any(source.event_time for source in project.task.examples.sources),
        fields=_test_fields(frame, production.profile),
    )
    return TestRows(labels, predictions, window)


@lru_cache(maxsize=_CACHED)
def _in_time(stored: bytes, classes: tuple[str, ...], score: str) -> tuple[pl.DataFrame, Array, Array, Array]:
    """Stored predictions with labels, predictions and losses as arrays.

    In the order of the profile, whose sample names its rows by their place in time.
    """
    frame = predictions_of(stored).sort("cutoff", maintain_order=True)
    labels, predictions = labels_and_predictions(frame, classes)
    return frame, labels, predictions, loss_rows(score, labels, predictions)


def _test_fields(frame: pl.DataFrame, profile: Profile) -> dict[str, list[str | None]]:
    """The fields by which the test rows can be grouped: the evaluation's slices, and category columns of the sample."""
    prefix = "slice_"
    fields = {
        name.removeprefix(prefix): frame[name].cast(pl.String).to_list()
        for name in frame.columns
        if name.startswith(prefix)
    }
    if profile.rows != frame.height or not len(profile.sample_places):
        return fields
    for place, column in enumerate(profile.features):
        if isinstance(column, CategoryColumn):
            texts: list[str | None] = [None] * frame.height
            for row, text in zip(
                profile.sample_places.tolist(), category_texts(column, profile.sample[:, place]), strict=True
            ):
                texts[row] = text
            fields[column.name] = texts
    return fields


def first_risen_day(live: LiveRows, onset: str | None) -> int:
    """The day (since 1970) of the onset of an incident; without one, the first of the newest 30 days."""
    if onset is not None:
        return (date.fromisoformat(onset) - EPOCH).days
    return int(live.days.max(initial=0)) - RECENT_DAYS + 1


def row_shape(project: Project, production: ProductionRelease) -> RowShape:
    """The shape of the logged rows of the release, with the declared fields to group by."""
    manifest = production.release.read_manifest()
    categories = {column.name for column in manifest.columns if column.kind == "category"}
    fields = tuple(name for name in project.monitoring.performance.slices if name not in categories)
    is_clustered = production.profile.clusters < production.profile.rows
    return RowShape(manifest.task, manifest.classes, len(manifest.columns), fields, is_clustered=is_clustered)


def live_rows(
    project: Project,
    stores: Registry,
    production: ProductionRelease,
    *,
    since: datetime | None = None,
    role: Literal["answer", "shadow"] = "answer",
) -> LiveRows:
    """The logged answers of the release, grouped by the declared slices (by category columns where none is)."""
    return live_rows_of(project, stores, [production], since=since, role=role)[0]


def live_rows_of(
    project: Project,
    stores: Registry,
    releases: Sequence[ProductionRelease],
    *,
    since: datetime | None = None,
    role: Literal["answer", "shadow"] = "answer",
) -> list[LiveRows]:
    """`live_rows` of several releases in one look at the log."""
    rows = read_live_rows(
        stores.database,
        project.name,
        {one.release.id: replace(row_shape(project, one), role=role) for one in releases},
        clock=stores.clock,
        since=since,
    )
    slices = project.monitoring.performance.slices
    return [with_categories(rows[one.release.id], one.profile, slices) for one in releases]
