"""Model versions as touchline records them, and what people call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select

from touchline.errors import VersionNotFound
from touchline.registry.journal.journal import Journal
from touchline.registry.journal.stages import Stage, StageState, parse_reference
from touchline.storage import tables

if TYPE_CHECKING:
    from touchline.clock import Clock
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


@dataclass(frozen=True)
class MetricValue:
    """A metric of the evaluation fit with the ends of its 95 % interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One registered version and where it stands."""

    project: str
    version: int
    semantic_version: str
    stage: Stage
    run_id: str
    name: str
    training_set_hash: str
    created_at: datetime
    object_key: str
    hashes: Mapping[str, str]
    metrics: Mapping[str, MetricValue]
    baseline: Mapping[str, MetricValue]
    rows: int = 0
    clusters: int = 0
    test_from: datetime | None = None
    test_to: datetime | None = None
    ticket: str | None = None
    release_id: str | None = None
    classes: tuple[str, ...] = field(default=())


def read_versions(registry: Registry, project: str) -> list[ModelVersion]:
    """Every version of a project, newest first."""
    table = tables.model_versions
    query = select(table).where(table.c.project == project).order_by(table.c.version.desc())
    with registry.database.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    state = registry.journal.state(project)
    return [_version(row, state) for row in rows]


def read_version(registry: Registry, project: str, reference: str | int) -> ModelVersion:
    """The version a person means: `7`, `1.2.0`, `Production`, `rollback`, `latest`, `models:/NAME/Production`.

    Raises `VersionNotFound`, which lists the versions there are; a URI that names another project means none of them.
    """
    versions = {version.version: version for version in read_versions(registry, project)}
    number = _number(project, str(reference), versions, registry.journal.state(project))
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


def _version(row: Mapping[str, Any], state: StageState) -> ModelVersion:
    record = row["metrics"]
    return ModelVersion(
        project=row["project"],
        version=row["version"],
        semantic_version=row["semantic_version"],
        stage=state.stage(row["version"]),
        run_id=row["run_id"],
        name=row["name"],
        training_set_hash=row["training_set_hash"],
        created_at=row["created_at"],
        object_key=row["object_key"],
        hashes=row["hashes"],
        metrics={name: MetricValue(**value) for name, value in record["metrics"].items()},
        baseline={name: MetricValue(**value) for name, value in record["baseline"].items()},
        rows=record["rows"],
        clusters=record["clusters"],
        test_from=_instant(record.get("test_from")),
        test_to=_instant(record.get("test_to")),
        ticket=state.tickets.get(row["version"], row["ticket"]),
        release_id=state.releases.get(row["version"]),
        classes=tuple(record.get("classes", ())),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
