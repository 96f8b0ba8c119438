"""`/data/freshness`: the age of each source's data."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from touchline import ingest
from touchline.api.state import ProjectOfRequest, RequestedProject

router = APIRouter(tags=["data"])


class SourceFreshness(BaseModel):
    """One source: its last ingest, and the time of its newest event."""

    source: str
    rows: int
    last_ingest_at: datetime | None
    last_status: str | None = Field(description="new, unchanged, rejected, failed or fallback")
    last_change_at: datetime | None
    newest_event: datetime | None = Field(description="newest event at or before project time")
    age_seconds: float | None = Field(description="wall time since the last successful ingest")
    max_age_seconds: float | None
    is_stale: bool


class DataFreshness(BaseModel):
    """Every source of a project."""

    project: str
    now: datetime = Field(description="project time")
    is_stale: bool
    sources: list[SourceFreshness]


@router.get("/data/freshness", summary="The age of each source's data")
def get_data_freshness(project: ProjectOfRequest) -> DataFreshness:
    sources = _sources(project)
    return DataFreshness(
        project=project.name, now=project.now(), is_stale=any(source.is_stale for source in sources), sources=sources
    )


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
                last_change_at=fresh.last_change_at,
                newest_event=fresh.newest_event,
                age_seconds=fresh.age.total_seconds() if fresh.age is not None else None,
                max_age_seconds=fresh.max_age.total_seconds() if fresh.max_age is not None else None,
                is_stale=fresh.is_stale,
            )
        )
    return sources
