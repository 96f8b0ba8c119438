"""The rows of a source as they were known at an instant, for the ingest of a rehearsal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from touchline.ingest.content_hashes import content_hash
from touchline.ingest.event_times import CREATED, EVENT
from touchline.ingest.providers.base import Fetched

if TYPE_CHECKING:
    from touchline.ingest import Source
    from touchline.ingest.providers.base import FetchContext


class HistoryProvider:
    """Brings the rows of a snapshot that were known at the clock's instant, without those that it brought before.

    Where a source declares a schedule (`hidden_until_known`), the row of an event that lies ahead is brought too, with
    its hidden columns null: when a fixture was published is not recorded. A row is brought again when it changes.
    """

    def __init__(self, source: Source, versions: pl.DataFrame) -> None:
        self._source = source
        columns = list(source.compiled.columns)
        self._versions = versions.sort(CREATED).select(*columns, EVENT, CREATED)
        self._columns = columns
        self._hidden = [pl.lit(None, dtype=self._versions.schema[name]).alias(name) for name in self.hidden_columns]
        first = self._versions.unique(list(source.keys), keep="first", maintain_order=True)
        self._fixtures = first if self.hidden_columns else first.clear()
        self._brought: datetime | None = None

    def __repr__(self) -> str:  # part of the hash of a source's declaration: equal at every step
        return f"HistoryProvider({self._source.name})"

    @property
    def hidden_columns(self) -> tuple[str, ...]:
        return self._source.hidden_until_known

    def resume_after(self, instant: datetime) -> None:
        """Leave out what an earlier process has brought up to an instant."""
        self._brought = instant

    def fetch(self, context: FetchContext) -> Fetched:
        now, before = context.clock.now(), self._brought
        later = pl.col(CREATED) > before if before is not None else True
        known = self._versions.filter((pl.col(CREATED) <= now) & later)
        newest = known.unique(list(self._source.keys), keep="last", maintain_order=True)
        fixtures = self._fixtures.filter((pl.col(CREATED) > now) & (pl.col(EVENT) <= now + self._ahead))
        if before is not None:
            fixtures = fixtures.filter(pl.col(EVENT) > before + self._ahead)
        frame = pl.concat([newest, fixtures.with_columns(self._hidden)]).select(self._columns)
        self._brought = now
        return Fetched(frame=frame, files=(), raw_hash=content_hash(frame))

    @property
    def _ahead(self) -> timedelta:
        return self._source.look_ahead
