"""Small sources, batches and a place to ingest them into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from tests.stores import SomeStores
from touchline.clock import FrozenClock
from touchline.contracts import Contract, dataset_check
from touchline.ingest import FrameProvider, IngestReport, Snapshot, Source, ingest_source, read_snapshot
from touchline.storage import Database, open_objects

PROJECT = "nba"


class Game(Contract):
    game_id: str = Field(min_length=1)
    tipoff: datetime
    venue: str | None = None
    points: int | None = Field(None, ge=0)

    @dataset_check
    def not_too_many(cls, games: pl.DataFrame) -> str | None:
        return f"{games.height} games are too many" if games.height > 1000 else None


COLUMNS = list(Game.model_fields)


def day(number: int, month: int = 1) -> datetime:
    return datetime(2020, month, number, tzinfo=UTC)


def a_game(game_id: str = "a", tipoff: datetime | None = None, **values: Any) -> dict[str, Any]:
    return {"game_id": game_id, "tipoff": tipoff or day(1), "venue": "x", "points": 1, **values}


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
    types = {"game_id": pl.String, "tipoff": pl.Datetime("us", "UTC"), "venue": pl.String, "points": pl.Int64}
    return pl.DataFrame(
        [{name: row.get(name) for name in columns} for row in rows], schema={n: types[n] for n in columns}
    )


def a_source(**changes: Any) -> Source:
    declared = {
        "name": "games",
        "contract": Game,
        "key": "game_id",
        "event_time": "tipoff",
        "known_after": timedelta(hours=3),
        "provider": FrameProvider(lambda: (frame([]), ())),
        **changes,
    }
    return Source(**declared)


@dataclass
class House:
    """A database and objects; what was ingested comes back as rows."""

    database: Database
    folder: Path
    stores: SomeStores = field(init=False)

    def __post_init__(self) -> None:
        self.stores = SomeStores(self.database, open_objects(self.folder))

    def take(self, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, *, now: datetime, **changes: Any) -> IngestReport:
        batch = rows if isinstance(rows, pl.DataFrame) else frame(rows)
        return self.ingest(a_source(provider=FrameProvider(lambda: (batch, ())), **changes), now=now)

    def backfill(self, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> IngestReport:
        source = a_source(provider=FrameProvider(lambda: (frame(rows), ())))
        return ingest_source(source, project=PROJECT, stores=self.stores, clock=FrozenClock(now), is_backfill=True)

    def ingest(self, source: Source, *, now: datetime | None = None, clock: FrozenClock | None = None) -> IngestReport:
        clock = clock or FrozenClock(now or day(1, month=6))
        return ingest_source(source, project=PROJECT, stores=self.stores, clock=clock)

    def snapshot(self, hash: str | None = None) -> Snapshot:
        return read_snapshot(PROJECT, "games", self.stores, hash)

    def versions(self) -> list[tuple[str, str | None, int | None, datetime, datetime]]:
        """id, venue, points, event_timestamp and created_timestamp of all versions."""
        return (
            self.snapshot().read().select("game_id", "venue", "points", "event_timestamp", "created_timestamp").rows()
        )
