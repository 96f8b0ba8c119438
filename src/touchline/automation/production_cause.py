"""The cause of a risen loss of the release in Production: its mature rows before and since the onset."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from touchline.automation.production_release import ProductionRelease, live_rows, open_production, test_rows
from touchline.monitoring import (
    CauseModel,
    CauseReport,
    DriftReports,
    LiveRows,
    LossWindow,
    PerformanceReports,
    explain_loss,
    mature_rows,
)
from touchline.registry import Releases, declared_families
from touchline.statistics import CategoryColumn

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry

Array = NDArray[np.float64]
_LEAST_ROWS = 100
# Without an open incident, the newest days are compared with all before.
_RECENT_DAYS = 30


def explain_production_loss(project: Project, stores: Registry) -> CauseReport:
    """Explain the loss since the onset of the open incident (of the last 30 days where none is open).

    It is compared with the mature rows before; where these are few, with the test rows in the profile's sample. Facts
    of the last drift check stand beside the causes.
    """
    production = open_production(project, stores)
    mature, _ = mature_rows(
        live_rows(project, stores, production),
        share=project.monitoring.performance.mature_share,
        now=stores.clock.now(),
    )
    settled = mature.at(mature.has_label)
    onset = open_incident_onset(project, stores, production)
    first = _day(onset) if onset else settled.days.max(initial=0) - _RECENT_DAYS
    before, since = settled.at(settled.days < first), settled.at(settled.days >= first)
    test = test_rows(project, stores, production)
    score = test.window.score
    if len(since) < _LEAST_ROWS:
        return CauseReport(score, float("nan"), float("nan"), (), onset, (_too_few(len(since)),))
    model, facts = _model(project, stores, production, score)
    classes = production.release.read_manifest().classes
    reference = _window(before, classes)
    places = production.profile.sample_places
    if len(before) < _LEAST_ROWS and len(places) and production.profile.rows == len(test.labels):
        vectors = np.ascontiguousarray(production.profile.sample[:, : len(production.profile.features)])
        reference = LossWindow(vectors, test.predictions[places], _observed(test.labels[places], classes))
    if len(reference.vectors) < _LEAST_ROWS:
        return CauseReport(score, float("nan"), float("nan"), (), onset, (_too_few(len(before)),))
    report = explain_loss(reference, _window(since, classes), model)
    return replace(report, onset_on=onset, facts=facts)


def _too_few(rows: int) -> str:
    return f"{rows} of {_LEAST_ROWS} mature predictions with an outcome are there; wait for more."


def open_incident_onset(project: Project, stores: Registry, production: ProductionRelease) -> str | None:
    """The onset of the incident that the last performance check found open."""
    for verdict in PerformanceReports(stores.database, project.name).newest(1):
        incidents = verdict["incidents"]
        if verdict["release_id"] == production.release.id and incidents and incidents[-1][2] is None:
            return str(incidents[-1][0])
    return None


def _day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def _observed(labels: Array, classes: tuple[str, ...]) -> Array:
    return np.eye(len(classes))[labels.astype(np.int64)] if classes else labels[:, None]


def _window(rows: LiveRows, classes: tuple[str, ...]) -> LossWindow:
    return LossWindow(rows.vectors, rows.predictions, _observed(rows.labels, classes))


def _model(
    project: Project, stores: Registry, production: ProductionRelease, score: str
) -> tuple[CauseModel, tuple[str, ...]]:
    families = declared_families(project.training)
    release = Releases(stores, lambda _: families).open(production.release.id)
    features = production.profile.features
    origins = {column.name: column.view or column.origin for column in release.columns}
    blocks = {
        origin: [name for name, of in origins.items() if of == origin] for origin in dict.fromkeys(origins.values())
    }
    verdicts = DriftReports(stores.database, project.name).newest_with_enough_rows(production.release.id, 1)
    columns = verdicts[0].columns if verdicts else ()
    model = CauseModel(
        score=score,
        columns=[column.name for column in features],
        predict=release.model.predict,
        blocks=blocks,
        levels={column.name: column.levels for column in features if isinstance(column, CategoryColumn)},
        drifted=frozenset(column.name for column in columns if column.differs),
    )
    return model, tuple(f"{column.name}: {column.facts}" for column in columns if column.facts)
