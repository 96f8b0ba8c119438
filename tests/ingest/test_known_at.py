"""What was known when, for any history of batches, against a computation of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.builders import COLUMNS, a_game, a_source, day, frame
from touchline.ingest import Snapshot, rows_known_at
from touchline.ingest.event_times import event_timestamp
from touchline.ingest.merge import Merged, first_versions, merge
from touchline.ingest.snapshots import newest_versions
from touchline.storage import open_objects, write_part

HOURS = timedelta(hours=3)
LATER = day(1, month=6)

games = st.builds(
    a_game,
    st.sampled_from("abc"),
    st.sampled_from([day(1), day(2), day(15)]),
    venue=st.sampled_from([None, "x", "y"]),
    points=st.sampled_from([None, 0, 1]),
)
batches = st.lists(games, max_size=3, unique_by=lambda game: game["game_id"])
histories = st.lists(batches, min_size=1, max_size=5)
SOURCE = a_source()


@dataclass
class Table:
    """All versions after some batches."""

    versions: pl.DataFrame
    last: Merged


def merged(history: list[list[dict[str, Any]]], *, start: int = 10) -> Table:
    """The batches ingested on following days from the tenth."""
    first = first_versions(SOURCE, stamped(history[0]), manifest="m")
    table = Table(first.versions, first)
    for number, batch in enumerate(history[1:], start=1):
        table = merged_with(table.versions, batch, now=day(start + number))
    return table


def merged_with(stored: pl.DataFrame, batch: list[dict[str, Any]], *, now: datetime) -> Table:
    current = newest_versions(stored, SOURCE.keys)
    last = merge(SOURCE, current, stamped(batch), absent=frozenset(), known_from=now, manifest="m")
    return Table(pl.concat([stored, last.versions]), last)


def stamped(batch: list[dict[str, Any]]) -> pl.DataFrame:
    return frame(batch).with_columns(event_timestamp(SOURCE))


@given(batches)
def test_a_first_ingest_gives_a_full_history(batch: list[dict[str, Any]]) -> None:
    versions = merged([batch]).versions
    assert versions["created_timestamp"].equals(versions["event_timestamp"].rename("created_timestamp"))
    assert versions.height == len(batch)


@given(histories, batches)
def test_a_later_ingest_is_invisible_to_an_earlier_cutoff(
    history: list[list[dict[str, Any]]], last: list[dict[str, Any]]
) -> None:
    before = merged(history).versions
    after = merged_with(before, last, now=day(28)).versions
    for cutoff in (day(11), day(13), day(20)):
        assert rows_known_at(before, "game_id", cutoff).equals(rows_known_at(after, "game_id", cutoff))


@given(histories)
def test_the_current_table_is_what_the_newest_batches_say(history: list[list[dict[str, Any]]]) -> None:
    told: dict[str, dict[str, Any]] = {}
    for batch in history:
        told.update({game["game_id"]: game for game in batch})
    current = newest_versions(merged(history).versions, SOURCE.keys).sort("game_id").select(list(COLUMNS))
    assert current.equals(frame(sorted(told.values(), key=lambda game: game["game_id"])))


@given(histories)
def test_versions_are_numbered_and_never_known_before_their_event_or_ingest(
    history: list[list[dict[str, Any]]],
) -> None:
    versions = merged(history).versions
    assert not (versions["created_timestamp"] < versions["event_timestamp"]).any()
    assert not (versions["created_timestamp"] < versions["_ingested"]).any()
    numbers = versions.sort("_version").group_by("game_id").agg("_version")["_version"].to_list()
    assert all(list(group) == list(range(len(group))) for group in numbers)


@given(histories)
def test_ingesting_twice_is_ingesting_once(history: list[list[dict[str, Any]]]) -> None:
    again = merged_with(merged(history).versions, history[-1], now=day(28)).last
    assert (again.versions.height, again.added, again.changed, again.settled) == (0, 0, 0, 0)


# --- known at any instant, against a computation of its own ---------------------------------------


def known_by_hand(history: list[list[dict[str, Any]]], cutoff: datetime) -> dict[str, tuple[Any, ...]]:
    """What was known at `cutoff`, row by row: the first batch at its events, each later one from its day on."""
    known: dict[str, list[tuple[datetime, datetime, tuple[Any, ...]]]] = {}
    for number, batch in enumerate(history):
        for game in batch:
            values = (game["tipoff"], game["venue"], game["points"])
            event = game["tipoff"] + HOURS
            ingested = day(10 + number) if number else event
            rows = known.setdefault(game["game_id"], [])
            if rows and rows[-1][2] == values:
                continue
            # Replaced before it could be known: it never was.
            rows[:] = [row for row in rows if row[0] < ingested or (not number and row[0] < event)]
            rows.append((max(event, ingested), ingested, values))
    found = {}
    for game_id, rows in known.items():
        visible = [values for created, _, values in rows if created <= cutoff]
        if visible:
            found[game_id] = visible[-1]
    return found


@given(histories, st.integers(1, 28))
def test_what_was_known_at_a_cutoff_is_what_had_been_ingested_and_was_over(
    house_history: list[list[dict[str, Any]]], at: int
) -> None:
    with TemporaryDirectory() as folder:
        snapshot = a_snapshot(merged(house_history).versions, Path(folder))
        rows = rows_known_at(snapshot.read(), "game_id", day(at)).select("game_id", "tipoff", "venue", "points")
    expected = known_by_hand(house_history, day(at))
    assert {game_id: tuple(values) for game_id, *values in rows.rows()} == expected


def a_snapshot(versions: pl.DataFrame, folder: Path) -> Snapshot:
    objects = open_objects(folder)
    return Snapshot(
        project="nba",
        source="games",
        hash="h",
        sequence=1,
        rows=versions.height,
        schema_hash="s",
        created_at=LATER,
        parent_hash=None,
        ingested_at=LATER,
        is_appended=False,
        keys=SOURCE.keys,
        parts=(write_part(objects, "games", versions),),
        objects=objects,
    )
