"""`/data/sources`: the contract of a source, its snapshots, its rejected rows, and what a snapshot changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from touchline import ingest
from touchline.api.state import ProjectOfRequest, RequestedProject
from touchline.contracts import describe_contract
from touchline.errors import UnknownName

router = APIRouter(tags=["data"])
SourceName = Annotated[str, Path(description="a declared source")]
_MOST_SNAPSHOTS = 50


class ContractColumnDocument(BaseModel):
    """One column of a contract, with its rules in the words that the quarantine uses."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: str
    nullable: bool
    default: str | None
    rules: list[str]
    description: str


class ContractCheckDocument(BaseModel):
    """A check of single rows or of the whole table, as its author named it."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    scope: Literal["row", "table"]
    about: str


class ContractDocument(BaseModel):
    """What a row of a source looks like."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    about: str
    columns: list[ContractColumnDocument]
    checks: list[ContractCheckDocument]


class SnapshotLine(BaseModel):
    """One state of a source's table."""

    model_config = ConfigDict(from_attributes=True)

    sequence: int
    hash: str
    created_at: datetime
    rows: int = Field(description="row versions")


class SourceDocument(BaseModel):
    """A source as declared: its key and times, its contract, and the newest snapshots."""

    source: str
    keys: list[str]
    event_time: str | None
    known_after_seconds: float = Field(description="how long after its event a row is known")
    known_at: str | None = Field(description="the column that says when a row was known")
    zone: str
    max_rejected_share: float = Field(description="a batch with a larger share of rejected rows is refused whole")
    contract: ContractDocument
    snapshots: list[SnapshotLine]


class BrokenRuleDocument(BaseModel):
    """A rule, the number of rows that break it, and the first value that does."""

    model_config = ConfigDict(from_attributes=True)

    rule: str
    rows: int
    first_value: str | None


class RejectedRow(BaseModel):
    """A row that broke a rule: the value, and the record as it came."""

    row: int = Field(description="position in the batch, from 0")
    rule: str
    column: str
    value: str | None
    record: str


class QuarantineDocument(BaseModel):
    """The rejected rows of one ingest. `ingest` is null where no row was ever rejected."""

    sentence: str
    ingest: str | None
    finished_at: datetime | None
    rules: list[BrokenRuleDocument]
    total: int = Field(description="broken rules over all rows; `rows` has the first of them")
    rows: list[RejectedRow]


class ColumnChange(BaseModel):
    """A column with values that differ; `distance` between the distributions is 0 to 1."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    changed: int
    distance: float


class CellChange(BaseModel):
    """One value that differs."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    column: str
    before: str | None
    after: str | None


class SnapshotChange(BaseModel):
    """A snapshot against the one before it; `before` is null for the first."""

    sentence: str
    before: str | None
    after: str
    columns: list[ColumnChange]
    examples: list[CellChange]


@router.get("/data/sources/{source}", summary="A source: its contract and its snapshots")
def get_source(project: ProjectOfRequest, source: SourceName) -> SourceDocument:
    declared = _source(project, source)
    lines = ingest.list_snapshots(project.name, declared.name, project.stores.database)[:_MOST_SNAPSHOTS]
    names = SnapshotLine.model_fields
    return SourceDocument(
        source=declared.name,
        keys=list(declared.keys),
        event_time=declared.event_time,
        known_after_seconds=declared.known_after.total_seconds(),
        known_at=declared.known_at,
        zone=declared.zone,
        max_rejected_share=declared.max_rejected_share,
        contract=ContractDocument.model_validate(describe_contract(declared.contract)),
        snapshots=[SnapshotLine.model_validate(dict(zip(names, line, strict=True))) for line in lines],
    )


@router.get("/data/sources/{source}/quarantine", summary="The rejected rows of an ingest, with their reasons")
def get_quarantine(
    project: ProjectOfRequest,
    source: SourceName,
    *,
    ingest_id: Annotated[
        str | None, Query(alias="ingest", description="an ingest; default: the newest with rejected rows")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> QuarantineDocument:
    declared = _source(project, source)
    found = ingest.show_quarantine(project.name, declared.name, stores=project.stores, manifest_id=ingest_id)
    return QuarantineDocument(
        sentence=found.sentence(declared.name),
        ingest=found.manifest.id if found.manifest else None,
        finished_at=found.manifest.finished_at if found.manifest else None,
        rules=[BrokenRuleDocument.model_validate(rule) for rule in found.rules],
        total=found.rows.height,
        rows=[RejectedRow.model_validate(row) for row in found.rows.head(limit).to_dicts()],
    )


@router.get("/data/sources/{source}/changes/{snapshot}", summary="A snapshot against the one before it")
def get_changes(
    project: ProjectOfRequest,
    source: SourceName,
    snapshot: Annotated[str, Path(description="hash of the snapshot, or its beginning")],
) -> SnapshotChange:
    declared, stores = _source(project, source), project.stores
    after = ingest.read_snapshot(project.name, declared.name, stores, snapshot)
    if after.parent_hash is None:
        sentence = f"The first snapshot of {declared.name}: all of its {after.rows} rows are new."
        return SnapshotChange(sentence=sentence, before=None, after=after.hash, columns=[], examples=[])
    delta = ingest.diff_snapshots(declared, after.parent_hash, after.hash, project=project.name, stores=stores)
    differing = [column for column in delta.columns if column.changed or column.distance]
    return SnapshotChange(
        sentence=delta.sentence,
        before=delta.before.hash,
        after=delta.after.hash,
        columns=[ColumnChange.model_validate(column) for column in differing],
        examples=[CellChange.model_validate(cell) for cell in delta.examples],
    )


def _source(project: RequestedProject, name: str) -> ingest.Source:
    """The declared source of this name. Raises `UnknownName`."""
    sources: dict[str, ingest.Source] = {source.name: source for source in project.declared.sources}
    if name not in sources:
        raise UnknownName("source", name, sources)
    return sources[name]
