"""The cause of a risen loss of the release in Production: its rows before and since the onset, and upstream facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from touchline.automation.production.labelled_sample import labelled_sample
from touchline.automation.production.release import (
    ProductionRelease,
    TestRows,
    first_risen_day,
    live_rows,
    open_production,
    test_rows,
)
from touchline.automation.production.upstream_facts import upstream_facts
from touchline.monitoring import (
    CauseModel,
    CauseReport,
    DriftReports,
    LiveRows,
    LossWindow,
    OpenSample,
    PerformanceReports,
    explain_loss,
    maturity,
)
from touchline.monitoring.loss_estimate import LEAST_ROWS, expected_classes
from touchline.registry import Releases, declared_families
from touchline.statistics import CategoryColumn

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry

Array = NDArray[np.float64]
_LEAST_ROWS = 100


def explain_production_loss(project: Project, stores: Registry) -> CauseReport:
    """Explain the loss since the onset of the open incident (of the last 30 days where none is open).

    It is compared with the mature rows before; where these are few, with the test rows in the profile's sample. While
    few rows since then have an outcome, the loss that is explained is the expected one. Upstream facts stand beside.
    """
    production = open_production(project, stores)
    live, test = live_rows(project, stores, production), test_rows(project, stores, production)
    share = project.monitoring.performance.mature_share
    is_mature, _ = maturity(live, share=share, now=stores.clock.now())
    settled = live.at(is_mature & live.has_label)
    onset = open_incident_onset(project, stores, production)
    newest = settled if len(settled) >= _LEAST_ROWS else live
    first = first_risen_day(newest, onset)

    def expected(before: LiveRows, newest: LiveRows) -> Array:
        """The calibrated probabilities of the newest rows; vectors would only weight the labelled ones."""
        labelled = replace(labelled_sample(project, stores, production, test, before), vectors=None)
        return expected_classes(test.window.score, labelled, OpenSample(newest.predictions, newest.days))

    windows = _windows(production, test, _Rows(live, settled, first), expected)
    facts = upstream_facts(project, stores, production, onset_on=onset)
    if isinstance(windows, str):
        score = test.window.score
        return CauseReport(project.name, score, float("nan"), float("nan"), (), onset, facts, missing=windows)
    model = _model(project, stores, production, test.window.score)
    report = explain_loss(windows.before, windows.since, model, project=project.name)
    return replace(report, onset_on=onset, facts=facts, is_estimated=windows.is_estimated)


@dataclass(frozen=True, eq=False)
class _Windows:
    before: LossWindow
    since: LossWindow
    is_estimated: bool


@dataclass(frozen=True, eq=False)
class _Rows:
    """All rows, the settled ones among them, and the first day of the newer window."""

    live: LiveRows
    settled: LiveRows
    first: int


def _windows(
    production: ProductionRelease, test: TestRows, rows: _Rows, expected: Callable[[LiveRows, LiveRows], Array]
) -> _Windows | str:
    """The rows before and since the first day; what is missing, in words, where they are too few."""
    classes, settled, first = production.release.read_manifest().classes, rows.settled, rows.first
    before, since = settled.at(settled.days < first), settled.at(settled.days >= first)
    reference = _window(before, classes)
    places = production.profile.sample_places
    if len(before) < _LEAST_ROWS and len(places) and production.profile.rows == len(test.labels):
        vectors = np.ascontiguousarray(production.profile.sample[:, : len(production.profile.features)])
        reference = LossWindow(vectors, test.predictions[places], _observed(test.labels[places], classes))
    if len(reference.vectors) < _LEAST_ROWS:
        return _too_few(len(before))
    if len(since) >= _LEAST_ROWS:
        return _Windows(reference, _window(since, classes), False)
    newest = rows.live.at(rows.live.days >= first)
    if not classes or len(newest) < _LEAST_ROWS or len(test.labels) < LEAST_ROWS:
        return _too_few(len(since))
    known, observed = newest.has_label, expected(before, newest)
    observed[known] = _observed(newest.labels[known], classes)
    return _Windows(reference, LossWindow(newest.vectors, newest.predictions, observed), True)


def _too_few(rows: int) -> str:
    return f"{rows} of {_LEAST_ROWS} mature predictions with an outcome are there; wait for more."


def open_incident_onset(project: Project, stores: Registry, production: ProductionRelease) -> str | None:
    """The onset of the incident that the last performance check found open."""
    for verdict in PerformanceReports(stores.database, project.name).newest(1):
        incidents = verdict["incidents"]
        if verdict["release_id"] == production.release.id and incidents and incidents[-1][2] is None:
            return str(incidents[-1][0])
    return None


def _observed(labels: Array, classes: tuple[str, ...]) -> Array:
    return np.eye(len(classes))[labels.astype(np.int64)] if classes else labels[:, None]


def _window(rows: LiveRows, classes: tuple[str, ...]) -> LossWindow:
    return LossWindow(rows.vectors, rows.predictions, _observed(rows.labels, classes))


def _model(project: Project, stores: Registry, production: ProductionRelease, score: str) -> CauseModel:
    families = declared_families(project.training)
    release = Releases(stores, lambda _: families).open(production.release.id)
    features = production.profile.features
    origins = {column.name: column.view or column.origin for column in release.columns}
    blocks = {
        origin: [name for name, of in origins.items() if of == origin] for origin in dict.fromkeys(origins.values())
    }
    verdicts = DriftReports(stores.database, project.name).newest_with_enough_rows(production.release.id, 1)
    columns = verdicts[0].columns if verdicts else ()
    return CauseModel(
        score=score,
        columns=[column.name for column in features],
        predict=release.model.predict,
        blocks=blocks,
        levels={column.name: column.levels for column in features if isinstance(column, CategoryColumn)},
        drifted=frozenset(column.name for column in columns if column.differs),
    )
