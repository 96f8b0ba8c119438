"""Small sources, views and snapshots for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from touchline.contracts import Contract
from touchline.features import Entity, FeatureHistory, FeatureView
from touchline.ingest import Source
from touchline.storage import open_objects, write_part

INSTANT = pl.Datetime("us", "UTC")
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def day(number: float, hour: float = 0) -> datetime:
    """An instant of 2024, counted in days from its first."""
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number, hours=hour)


class Game(Contract):
    game_id: str
    played_at: datetime
    team: str
    points: int | None = None


class NoProvider:
    def fetch(self, _: Any) -> Any:
        raise AssertionError("tests of features fetch nothing")


def games_source(**options: Any) -> Source:
    return Source("games", contract=Game, key="game_id", event_time="played_at", provider=NoProvider(), **options)


TEAM = Entity(name="team", plural="teams", join_keys=["team"])


@dataclass(frozen=True)
class FakeSnapshot:
    """A snapshot held in memory."""

    source: str
    hash: str
    frame: pl.DataFrame

    def scan_ingested(self) -> pl.LazyFrame:
        return self.frame.lazy()


def a_game(game_id: str, at: datetime, team: str = "A", points: int | None = 1, **more: Any) -> dict[str, Any]:
    row = {"game_id": game_id, "played_at": at, "team": team, "points": points, "event_timestamp": at}
    return {**row, "created_timestamp": more.pop("created", at), "_manifest": "m", **more}


def versions(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    schema = {
        "game_id": pl.String,
        "played_at": INSTANT,
        "team": pl.String,
        "points": pl.Int64,
        "event_timestamp": INSTANT,
        "created_timestamp": INSTANT,
        "_manifest": pl.String,
    }
    frame = pl.DataFrame(list(rows), schema=schema).sort("game_id", "created_timestamp", maintain_order=True)
    return frame.with_columns(
        _ingested=pl.when(pl.col("created_timestamp") > pl.col("event_timestamp")).then("created_timestamp"),
        _version=pl.int_range(pl.len(), dtype=pl.Int32).over("game_id"),
    )


def snapshot(rows: Iterable[Mapping[str, Any]], hash: str = "abc") -> FakeSnapshot:
    return FakeSnapshot("games", hash, versions(rows))


def running_total(games: pl.LazyFrame) -> pl.LazyFrame:
    """Points of a team so far."""
    played = games.filter(pl.col("points").is_not_null()).sort("event_timestamp", "game_id")
    return played.select("team", "event_timestamp", total=pl.col("points").cum_sum().over("team"))


def a_view(function: Any = running_total, **options: Any) -> FeatureView:
    fields: dict[str, Any] = {"entity": TEAM, "sources": (games_source(),), "name": function.__name__}
    return FeatureView(**{**fields, "function": function, **options})


def peeks_ahead(games: pl.LazyFrame) -> pl.LazyFrame:
    """All points of a team, those to come included."""
    return games.select("team", "event_timestamp", rest=pl.col("points").sum().over("team"))


def stored_history(view: FeatureView, rows: pl.DataFrame, folder: Path, *, hash: str = "abc") -> FeatureHistory:
    """Rows of a view as a stored history of one part."""
    objects = open_objects(folder)
    return FeatureHistory(
        project="p",
        view=view.name,
        feature_version=view.feature_version,
        hash=hash,
        rows=len(rows),
        quarantined=0,
        computed_until=NOW,
        snapshots={"games": "abc"},
        pushed=(),
        parts=(write_part(objects, "p/history", rows),),
        pending=None,
        keys=view.join_keys,
        objects=objects,
    )
