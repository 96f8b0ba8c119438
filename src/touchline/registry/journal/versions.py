"""Model versions as touchline records them, and what people call them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import func, insert, select

from touchline.errors import TrackingMismatch, VersionNotFound
from touchline.registry.journal.journal import Journal
from touchline.registry.journal.stages import Stage, StageState, parse_reference
from touchline.storage import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from touchline.clock import Clock
    from touchline.registry.release.signature import ReleaseKeys
    from touchline.registry.runs.tracking import Tracking
    from touchline.storage import Database, ObjectStore


class Registry(Protocol):
    """The stores that a registry works with."""

    @property
    def database(self) -> Database: ...
    @property
    def objects(self) -> ObjectStore: ...
    @property
    def tracking(self) -> Tracking: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def signing(self) -> ReleaseKeys | None: ...


_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class MetricValue:
    """A metric of the evaluation fit with the ends of its 95 % interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One registered version and where it stands.

    `recalibrates` is the version whose model this one is, for other class shares; `created_at` is then that of its
    training.
    """

    project: str
    version: int
    semantic_version: str
    run_id: str
    name: str
    training_set_hash: str
    created_at: datetime
    object_key: str
    hashes: Mapping[str, str]
    task: str
    metrics: Mapping[str, MetricValue]
    baseline: Mapping[str, MetricValue]
    classes: tuple[str, ...] = ()
    request_fields: tuple[str, ...] = ()
    rows: int = 0
    clusters: int = 0
    test_from: datetime | None = None
    test_to: datetime | None = None
    ticket: str | None = None
    recalibrates: int | None = None
    stage: Stage = "None"
    release_id: str | None = None

    @property
    def is_recalibration(self) -> bool:
        return self.recalibrates is not None


def read_versions(registry: Registry, project: str) -> list[ModelVersion]:
    """Every version of a project, newest first."""
    state = registry.journal.state(project)
    with registry.database.connect() as connection:
        return [_with_stage(version, state) for version in _read(connection, project)]


def newest_version(registry: Registry, project: str) -> int:
    """The highest number of a project's versions; 0 before the first."""
    table = tables.model_versions.c
    with registry.database.connect() as connection:
        return connection.scalar(select(func.max(table.version)).where(table.project == project)) or 0


def read_version(registry: Registry, project: str, reference: str | int) -> ModelVersion:
    """The version a person means: `7`, `1.2.0`, `Production`, `rollback`, `latest`, `models:/NAME/Production`.

    Raises `VersionNotFound`, which lists the versions there are; a URI that names another project means none of them.
    """
    state = registry.journal.state(project)
    number = _number(project, str(reference), {}, state)
    if number is not None and (found := _find(registry, project, number)) is not None:
        return _with_stage(found, state)  # without a look at all the others
    versions = {version.version: version for version in read_versions(registry, project)}
    number = _number(project, str(reference), versions, state)
    if number is None or number not in versions:
        known = [f"{v.version} ({v.semantic_version}, {v.stage})" for v in versions.values()]
        raise VersionNotFound(project, str(reference), known)
    return versions[number]


def _number(project: str, text: str, versions: Mapping[int, ModelVersion], state: StageState) -> int | None:
    meant = parse_reference(text)
    if meant.project not in (None, project):
        return None
    if meant.kind == "version":
        return int(meant.value)
    if meant.kind == "semantic":
        return next((v.version for v in versions.values() if v.semantic_version == meant.value), None)
    if meant.kind == "latest":
        return max(versions, default=None)
    if meant.kind == "rollback":
        return state.rollback
    if meant.value == "Production":
        return state.production
    if meant.value == "Staging":
        return state.staging
    return next((v.version for v in versions.values() if meant.kind == "stage" and v.stage == meant.value), None)


def _find(registry: Registry, project: str, number: int) -> ModelVersion | None:
    if number > _LARGEST:  # no database takes it
        return None

    def read() -> ModelVersion | None:
        with registry.database.connect() as connection:
            return next(_read(connection, project, number), None)

    return registry.database.unchanging_rows.read(("model_versions", project, number), read)


def find_version(registry: Registry, project: str, object_key: str) -> int | None:
    """The number of the version whose files lie under this key; None if it was never recorded."""
    table = tables.model_versions
    query = select(table.c.version).where(table.c.project == project, table.c.object_key == object_key)
    with registry.database.connect() as connection:
        number: int | None = connection.execute(query).scalar()
    return number


def add_version(
    registry: Registry, project: str, number: int, new_version: Callable[[ModelVersion | None], ModelVersion]
) -> None:
    """Write the version that `new_version` makes of the newest one, in one transaction; nothing if it is there.

    Raises `TrackingMismatch` where another training has the number.
    """
    with registry.database.begin() as connection:
        table = tables.model_versions.c
        mine = select(table.version).where(table.project == project)
        newest = connection.scalar(mine.order_by(table.version.desc()).limit(1))
        version = new_version(None if newest is None else next(_read(connection, project, newest)))
        if connection.scalar(mine.where(table.object_key == version.object_key)) is not None:
            return
        if connection.scalar(mine.where(table.version == number)) is not None:
            raise TrackingMismatch(project, number, registry.tracking.uri)
        columns = tables.model_versions.c.keys()
        row = {name: value for name, value in vars(version).items() if name in columns}
        connection.execute(insert(tables.model_versions).values(row))
        if metrics := list(_metric_rows(version)):
            connection.execute(insert(tables.version_metrics), metrics)


def _read(connection: Connection, project: str, number: int | None = None) -> Iterator[ModelVersion]:
    """The versions as they were recorded, newest first; with `number` that one alone."""
    table, metrics = tables.model_versions, tables.version_metrics
    by_version: dict[int, dict[str, dict[str, MetricValue]]] = {}
    mine = metrics.c.project == project
    mine = mine if number is None else mine & (metrics.c.version == number)
    for row in connection.execute(select(metrics).where(mine)):
        models = by_version.setdefault(row.version, {"evaluated": {}, "constant": {}})
        models[row.model][row.metric] = MetricValue(row.value, row.low, row.high)
    query = select(table).where(table.c.project == project).order_by(table.c.version.desc())
    query = query if number is None else query.where(table.c.version == number)
    for columns in connection.execute(query).mappings():
        models = by_version.get(columns["version"], {"evaluated": {}, "constant": {}})
        tuples = {name: tuple(columns[name]) for name in ("classes", "request_fields")}
        yield ModelVersion(**{**columns, **tuples}, metrics=models["evaluated"], baseline=models["constant"])


def _metric_rows(version: ModelVersion) -> Iterator[dict[str, Any]]:
    for model, metrics in (("evaluated", version.metrics), ("constant", version.baseline)):
        for name, metric in metrics.items():
            key = {"project": version.project, "version": version.version, "model": model, "metric": name}
            yield {**key, **vars(metric)}


def _with_stage(version: ModelVersion, state: StageState) -> ModelVersion:
    return replace(
        version,
        stage=state.stage(version.version),
        ticket=state.tickets.get(version.version, version.ticket),
        release_id=state.releases.get(version.version),
    )
