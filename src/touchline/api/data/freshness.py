"""`/data/freshness`: the age of each source's data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from touchline import ingest
from touchline.api.state import ProjectOfRequest, RequestedProject

router = APIRouter(tags=["data"])
_REFUSED = ("rejected", "failed", "fallback")


class SourceFreshness(BaseModel):
    """One source: its last ingest, and the time of its newest event."""

    source: str
    rows: int
    last_ingest_at: datetime | None
    last_status: str | None = Field(description="new, unchanged, rejected, failed or fallback")
    last_message: str = Field(description="the message of the last ingest, which says why it was refused")
    last_change_at: datetime | None
    newest_event: datetime | None = Field(description="newest event at or before project time")
    age_seconds: float | None = Field(description="wall time since the last successful ingest")
    max_age_seconds: float | None
    is_stale: bool


class DataFreshness(BaseModel):
    """Every source of a project."""

    project: str
    sentence: str
    now: datetime = Field(description="project time")
    is_stale: bool
    sources: list[SourceFreshness]


class IngestLine(BaseModel):
    """One ingest: rows read, accepted, rejected and changed. Rejected rows are in quarantine with their reasons."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    source: str
    finished_at: datetime
    status: str
    rows_in: int
    accepted: int
    rejected: int
    added: int
    changed: int
    snapshot_hash: str | None
    message: str


@router.get("/data/ingests", summary="The newest ingests of all sources")
def get_ingests(project: ProjectOfRequest, limit: Annotated[int, Query(ge=1, le=200)] = 30) -> list[IngestLine]:
    log = ingest.read_log(project.stores.database, project.name, limit=limit)
    return [IngestLine.model_validate(manifest) for manifest in log]


@router.get("/data/freshness", summary="The age of each source's data")
def get_data_freshness(project: ProjectOfRequest) -> DataFreshness:
    sources = _sources(project)
    is_stale = any(source.is_stale for source in sources)
    return DataFreshness(
        project=project.name,
        sentence=_sentence(project.name, sources),
        now=project.now(),
        is_stale=is_stale,
        sources=sources,
    )


def _sentence(project: str, sources: list[SourceFreshness]) -> str:
    """The verdict on all sources: refused ingests and data that is missing or too old, else that nothing is."""
    missing = [source.source for source in sources if source.last_ingest_at is None]
    stale = [source.source for source in sources if source.is_stale and source.last_ingest_at is not None]
    parts = [
        f"The newest ingest of {one.source} ended as {one.last_status}: {one.last_message.rstrip('.')}."
        for one in sources
        if one.last_status in _REFUSED
    ]
    if missing:
        parts.append(f"Never ingested: {', '.join(missing)}. Ingest them: touchline ingest -p {project}")
    elif stale:
        parts.append(f"Older than they may be: {', '.join(stale)}. Ingest them: touchline ingest -p {project}")
    elif parts:
        parts.append(f"The rows of before stay. Next: touchline data log -p {project}")
    return " ".join(parts) or _fresh_sentence(sources)


def _fresh_sentence(sources: list[SourceFreshness]) -> str:
    """The verdict where every newest ingest went well; an age that nothing limits is no promise kept."""
    if not sources:
        return "No source is declared."
    free = [source.source for source in sources if source.max_age_seconds is None]
    limits = f" No max_age is declared for {', '.join(free)}." if free else ""
    if len(free) == len(sources):
        return f"The newest ingest of {', '.join(free)} went well.{limits}"
    if len(sources) == 1:
        return f"The source {sources[0].source} is as fresh as declared."
    if free:
        return f"All sources with a max_age are as fresh as declared.{limits}"
    return f"All {len(sources)} sources are as fresh as declared."


def _sources(project: RequestedProject) -> list[SourceFreshness]:
    sources = []
    for source in project.declared.sources:
        fresh = ingest.read_freshness(
            source, project=project.name, stores=project.stores, now=project.now(), wall=project.wall()
        )
        sources.append(
            SourceFreshness(
                source=fresh.source,
                rows=fresh.rows,
                last_ingest_at=fresh.last_ingest_at,
                last_status=fresh.last_status,
                last_message=fresh.last_message,
                last_change_at=fresh.last_change_at,
                newest_event=fresh.newest_event,
                age_seconds=fresh.age.total_seconds() if fresh.age is not None else None,
                max_age_seconds=fresh.max_age.total_seconds() if fresh.max_age is not None else None,
                is_stale=fresh.is_stale,
            )
        )
    return sources
