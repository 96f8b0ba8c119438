"""`/data/freshness`: how old each source is."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from touchline.api.state import Chosen, ChosenProject

router = APIRouter(tags=["data"])


class SourceFreshness(BaseModel):
    """One source: when it was last brought up to date, and what it knows up to."""

    source: str
    rows: int
    last_ingest_at: datetime | None
    last_status: str | None = Field(description="new, unchanged, rejected, failed or fallback")
    last_change_at: datetime | None
    newest_event: datetime | None = Field(description="newest event at or before project time")
    age_seconds: float | None = Field(description="wall time since the last good ingest")
    max_age_seconds: float | None
    is_stale: bool


class DataFreshness(BaseModel):
    """Every source of a project."""

    project: str
    now: datetime = Field(description="project time")
    is_stale: bool
    sources: list[SourceFreshness]


@router.get("/data/freshness", summary="How old each source is")
def get_data_freshness(chosen: ChosenProject) -> DataFreshness:
    sources = _sources(chosen)
    return DataFreshness(
        project=chosen.name, now=chosen.now(), is_stale=any(source.is_stale for source in sources), sources=sources
    )


def _sources(chosen: Chosen) -> list[SourceFreshness]:
    from touchline.ingest import read_freshness

    stores = chosen.stores
    found = []
    for source in chosen.declared.sources:
        fresh = read_freshness(source, project=chosen.name, stores=stores, now=chosen.now(), wall=chosen.wall())
        found.append(
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
    return found
