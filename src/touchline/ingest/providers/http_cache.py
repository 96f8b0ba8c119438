"""The cache between fetches: responses with their validators, and the requests of a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlalchemy import ColumnElement, delete, insert, select, update

from touchline.ingest.providers.base import FetchContext, RawFile
from touchline.storage import Database
from touchline.storage.tables import http_cache, http_requests


@dataclass(frozen=True)
class CachedAnswer:
    """The last good answer of an address."""

    body: bytes
    sha256: str
    etag: str | None
    last_modified: str | None

    def conditions(self) -> dict[str, str]:
        """The headers that ask for the body only if it changed."""
        headers = {"if-none-match": self.etag, "if-modified-since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


def read_cached(context: FetchContext, url: str) -> CachedAnswer | None:
    """The last good answer, when it can be asked for conditionally and its bytes are still there."""
    with context.database.connect() as connection:
        row = connection.execute(select(http_cache).where(*_mine(context, url))).one_or_none()
    if row is None or not (row.etag or row.last_modified) or not context.objects.exists(row.object_key):
        return None
    return CachedAnswer(
        body=context.objects.read(row.object_key),
        sha256=PurePosixPath(row.object_key).name,
        etag=row.etag,
        last_modified=row.last_modified,
    )


def write_cached(context: FetchContext, url: str, raw: RawFile, headers: Mapping[str, str]) -> None:
    """Remember an answer whose bytes are stored."""
    row = {
        "project": context.project,
        "source": context.source,
        "url": url,
        "etag": headers.get("etag"),
        "last_modified": headers.get("last-modified"),
        "object_key": f"{context.project}/raw/{raw.sha256}",
        "fetched_at": context.clock.wall(),
    }
    with context.database.begin() as connection:
        connection.execute(delete(http_cache).where(*_mine(context, url)))
        connection.execute(insert(http_cache).values(row))


def count_request(context: FetchContext, day: str, *, budget: int | None) -> int | None:
    """Count one request; how many that makes today, or None when the budget allows none."""
    mine = (
        http_requests.c.project == context.project,
        http_requests.c.source == context.source,
        http_requests.c.day == day,
    )
    with context.database.begin() as connection:
        used = connection.execute(select(http_requests.c.count).where(*mine)).scalar() or 0
        if budget is not None and used >= budget:
            return None
        if connection.execute(update(http_requests).where(*mine).values(count=used + 1)).rowcount == 0:
            row = {"project": context.project, "source": context.source, "day": day, "count": used + 1}
            connection.execute(insert(http_requests).values(row))
    return int(used) + 1


def requests_used(database: Database, project: str, source: str, day: str) -> int:
    """The number of requests of a source on a UTC day (`2026-01-31`)."""
    mine = (http_requests.c.project == project, http_requests.c.source == source, http_requests.c.day == day)
    with database.connect() as connection:
        return int(connection.execute(select(http_requests.c.count).where(*mine)).scalar() or 0)


def _mine(context: FetchContext, url: str) -> tuple[ColumnElement[bool], ...]:
    return (
        http_cache.c.project == context.project,
        http_cache.c.source == context.source,
        http_cache.c.url == url,
    )


def cached_responses(project: str, database: Database) -> list[str]:
    """The object keys of the responses that a later request may find unchanged."""
    query = select(http_cache.c.object_key).where(http_cache.c.project == project)
    with database.connect() as connection:
        return list(connection.scalars(query))
