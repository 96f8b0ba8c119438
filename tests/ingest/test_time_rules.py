"""The rules of DESIGN, "Time": when a fact was knowable, and when we could know it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.builders import House, a_game, a_source, day, frame
from touchline.contracts import Contract
from touchline.ingest import CONSTANT_STAMP, FrameProvider, Source, current_rows, rows_known_at
from touchline.ingest.event_times import event_timestamp
from touchline.ingest.merge import Merged, merge
from touchline.ingest.snapshots import snapshot_hash

HOURS = timedelta(hours=3)
LATER = day(1, month=6)


def test_a_backfill_is_known_when_it_was_knowable(house: House) -> None:
    house.take([a_game("a", day(1)), a_game("b", day(9))], now=LATER)
    assert house.versions() == [
        ("a", "x", 1, day(1) + HOURS, day(1) + HOURS),
        ("b", "x", 1, day(9) + HOURS, day(9) + HOURS),
    ]


def test_a_correction_is_a_new_version_created_at_the_ingest(house: House) -> None:
    house.take([a_game(points=1)], now=day(5))
    report = house.take([a_game(points=2)], now=day(7))
    assert house.versions() == [
        ("a", "x", 1, day(1) + HOURS, day(1) + HOURS),
        ("a", "x", 2, day(1) + HOURS, day(7)),
    ]
    assert (report.manifest.changed, report.manifest.settled) == (1, 0)


def test_a_filled_null_is_a_first_sighting(house: House) -> None:
    house.take([a_game(points=None)], now=day(1))
    report = house.take([a_game(points=2)], now=day(7))
    assert house.versions() == [("a", "x", 2, day(1) + HOURS, day(1) + HOURS)]
    assert (report.manifest.changed, report.manifest.settled) == (0, 1)


def test_a_value_that_went_and_came_back_is_a_correction_each_time(house: House) -> None:
    for number, points in ((3, 1), (4, None), (5, 6)):
        house.take([a_game(points=points)], now=day(number))
    assert [(points, created) for _, _, points, _, created in house.versions()] == [
        (1, day(1) + HOURS),
        (None, day(4)),
        (6, day(5)),
    ]


def test_a_result_after_a_correction_is_filled_into_all_versions(house: House) -> None:
    house.take([a_game(venue="x", points=None)], now=day(2))
    house.take([a_game(venue="y", points=None)], now=day(3))
    house.take([a_game(venue="y", points=7)], now=day(4))
    assert [(venue, points, created) for _, venue, points, _, created in house.versions()] == [
        ("x", 7, day(1) + HOURS),
        ("y", 7, day(3)),
    ]


def test_a_change_before_the_fact_is_knowable_replaces_it(house: House) -> None:
    fixtures = {"ahead": timedelta(days=60)}
    house.take([a_game(tipoff=day(9), points=None)], now=day(2), **fixtures)
    house.take([a_game(tipoff=day(20), points=None)], now=day(3), **fixtures)
    assert house.versions() == [("a", "x", None, day(20) + HOURS, day(20) + HOURS)]


def test_two_corrections_at_the_same_instant_leave_the_last(house: House) -> None:
    for points in (1, 2, 3):
        house.take([a_game(points=points)], now=day(5))
    assert [points for _, _, points, _, _ in house.versions()] == [1, 3]


def test_a_column_the_batch_does_not_have_stays_as_it_is(house: House) -> None:
    house.take([a_game(venue="x")], now=day(5))
    report = house.take(frame([a_game()], ["game_id", "tipoff", "points"]), now=day(6))
    assert report.status == "unchanged"


def test_a_row_that_is_no_longer_in_the_batch_stays(house: House) -> None:
    house.take([a_game("a"), a_game("b")], now=day(5))
    house.take([a_game("c")], now=day(6))
    assert [row[0] for row in house.versions()] == ["a", "b", "c"]


def test_a_result_is_hidden_until_its_event_is_over(house: House) -> None:
    games = [a_game("a", day(1)), a_game("b", day(9))]
    hidden = {"hidden_until_known": ("points",)}
    report = house.take(games, now=day(9) + timedelta(hours=2), **hidden)
    assert (report.hidden, [row[2] for row in house.versions()]) == (1, [1, None])
    report = house.take(games, now=day(9) + timedelta(hours=4), **hidden)
    assert (report.status, report.manifest.settled, [row[2] for row in house.versions()]) == ("new", 1, [1, 1])


def test_rows_project_time_has_not_reached_wait_and_are_counted(house: House) -> None:
    report = house.take([a_game("a", day(1)), a_game("b", day(9))], now=day(2))
    assert (report.manifest.accepted, report.manifest.held_back) == (1, 1)
    assert "1 rows wait for the project's clock" in report.message
    assert [row[0] for row in house.versions()] == ["a"]


def test_declared_times_that_change_are_applied_to_what_is_stored(house: House) -> None:
    house.take([a_game()], now=day(5))
    house.take([a_game()], now=day(5), known_after=timedelta(hours=10))
    assert house.versions()[0][3:] == (day(1) + timedelta(hours=10), day(1) + timedelta(hours=10))


class Dated(Contract):
    key: int
    on: date
    known: datetime | None = None


def stamp_of(on: str, known: str | None = None, **changes: Any) -> datetime:
    provider = FrameProvider(lambda: (frame([]), ()))
    source = Source("days", contract=Dated, key="key", event_time="on", known_at="known", provider=provider, **changes)
    batch = pl.DataFrame({"key": [1], "on": [on], "known": [known]})
    rows = source.compiled.check(batch, zone=source.zone).accepted
    found: datetime = rows.select(event_timestamp(source)).item()
    return found


def test_a_day_is_known_at_the_next_midnight_of_its_zone() -> None:
    assert stamp_of("2020-07-01") == datetime(2020, 7, 2, tzinfo=UTC)
    assert stamp_of("2020-07-01", zone="Europe/London") == datetime(2020, 7, 1, 23, tzinfo=UTC)


def test_a_day_that_begins_an_hour_late_begins_then() -> None:
    # On 2018-11-04 the clocks of Sao Paulo went from 00:00 to 01:00.
    assert stamp_of("2018-11-03", zone="America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_known_at_wins_where_it_is_given() -> None:
    after = {"known_after": timedelta(days=9)}
    assert stamp_of("2020-07-01", "2020-07-05T10:00:00", **after) == datetime(2020, 7, 5, 10, tzinfo=UTC)
    assert stamp_of("2020-07-01", None, **after) == datetime(2020, 7, 11, tzinfo=UTC)


def test_a_source_without_a_time_has_a_constant_stamp(house: House) -> None:
    house.take([a_game()], now=day(5), event_time=None, known_after=timedelta(0))
    assert house.versions()[0][3:] == (CONSTANT_STAMP, CONSTANT_STAMP)


def test_a_source_without_a_time_takes_a_correction_when_it_comes(house: House) -> None:
    timeless: dict[str, Any] = {"event_time": None, "known_after": timedelta(0)}
    house.take([a_game("a"), a_game("b")], now=day(5), **timeless)
    house.take([a_game("a", points=2), a_game("b"), a_game("c")], now=day(6), **timeless)
    found = [(game, points, created) for game, _, points, _, created in house.versions()]
    assert found == [
        ("a", 1, CONSTANT_STAMP),
        ("a", 2, day(6)),
        ("b", 1, CONSTANT_STAMP),
        ("c", 1, CONSTANT_STAMP),
    ]


# --- the same rules for any history of batches ----------------------------------------------------

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


def merged(history: list[list[dict[str, Any]]], *, start: int = 10) -> Merged:
    """The batches ingested on following days from the tenth."""
    found = Merged(pl.DataFrame(), 0, 0, 0)
    for number, batch in enumerate(history):
        found = merged_with(found.versions, batch, now=day(start + number))
    return found


def merged_with(stored: pl.DataFrame, batch: list[dict[str, Any]], *, now: datetime) -> Merged:
    rows = frame(batch).with_columns(event_timestamp(SOURCE))
    return merge(SOURCE, stored, rows, absent=frozenset(), now=now, manifest="m")


@given(batches)
def test_a_backfill_gives_a_full_history(batch: list[dict[str, Any]]) -> None:
    versions = merged([batch]).versions
    assert versions["created_timestamp"].equals(versions["event_timestamp"].rename("created_timestamp"))
    assert versions.height == len(batch)


@given(histories, batches)
def test_a_later_correction_is_invisible_to_an_earlier_cutoff(
    history: list[list[dict[str, Any]]], last: list[dict[str, Any]]
) -> None:
    """What was seen before can only be filled by a later batch, never changed, as far as an earlier cutoff knows."""
    before = merged(history).versions
    now = day(28)
    after = merged_with(before, last, now=now).versions
    for cutoff in (day(11), day(13), day(20)):
        old = rows_known_at(before, "game_id", cutoff)
        new = rows_known_at(after, "game_id", cutoff)
        both = old.join(new, on="game_id", suffix="_new")
        for column in ("venue", "points"):
            changed = both.filter(pl.col(column).is_not_null() & pl.col(column).ne_missing(pl.col(f"{column}_new")))
            assert changed.is_empty()


@given(histories)
def test_the_current_table_is_what_the_newest_batches_say(history: list[list[dict[str, Any]]]) -> None:
    told: dict[str, dict[str, Any]] = {}
    for batch in history:
        told.update({game["game_id"]: game for game in batch})
    current = current_rows(merged(history).versions, "game_id").select("game_id", "tipoff", "venue", "points")
    assert current.equals(frame(sorted(told.values(), key=lambda game: game["game_id"])))


@given(histories)
def test_versions_of_a_key_are_ordered_and_never_created_before_they_are_knowable(
    history: list[list[dict[str, Any]]],
) -> None:
    versions = merged(history).versions
    assert not (versions["created_timestamp"] < versions["event_timestamp"]).any()
    assert not versions.select(pl.struct("game_id", "created_timestamp").is_duplicated().any()).item()
    assert versions.equals(versions.sort("game_id", "created_timestamp"))


@given(histories)
def test_ingesting_twice_is_ingesting_once(history: list[list[dict[str, Any]]]) -> None:
    once = merged(history).versions
    again = merged_with(once, history[-1], now=day(28))
    assert snapshot_hash(again.versions) == snapshot_hash(once)
    assert (again.added, again.changed, again.settled) == (0, 0, 0)


@given(batches)
def test_the_order_of_two_disjoint_batches_does_not_matter(batch: list[dict[str, Any]]) -> None:
    half = len(batch) // 2
    one, two = batch[:half], batch[half:]
    assert snapshot_hash(merged([one, two]).versions) == snapshot_hash(merged([two, one]).versions)


@given(batches)
def test_results_that_come_later_end_as_if_they_had_come_with_the_row(batch: list[dict[str, Any]]) -> None:
    without = [{**game, "points": None, "venue": None} for game in batch]
    assert snapshot_hash(merged([without, batch]).versions) == snapshot_hash(merged([batch]).versions)
