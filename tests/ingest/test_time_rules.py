"""The rules of DESIGN, "Time": when a fact was knowable, and when we could know it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from tests.ingest.builders import House, a_game, a_source, day, frame
from touchline.clock import FrozenClock
from touchline.contracts import Contract
from touchline.ingest import CONSTANT_STAMP, FrameProvider, IngestReport, Source
from touchline.ingest.event_times import event_timestamp

HOURS = timedelta(hours=3)
# An ingest is known a microsecond after project time, and so after predictions at that time.
TICK = timedelta(microseconds=1)
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
        ("a", "x", 2, day(1) + HOURS, day(7) + TICK),
    ]
    assert (report.manifest.changed, report.manifest.settled) == (1, 0)


def test_a_filled_null_is_known_from_the_ingest_that_filled_it(house: House) -> None:
    house.take([a_game(points=None)], now=day(1))
    report = house.take([a_game(points=2)], now=day(7))
    assert house.versions() == [
        ("a", "x", None, day(1) + HOURS, day(1) + HOURS),
        ("a", "x", 2, day(1) + HOURS, day(7) + TICK),
    ]
    assert (report.manifest.changed, report.manifest.settled) == (0, 1)


def test_a_new_row_of_a_later_ingest_is_known_from_that_ingest(house: House) -> None:
    house.take([a_game("a")], now=day(5))
    report = house.take([a_game("b", day(2)), a_game("c", day(9))], now=day(9) + timedelta(hours=1))
    assert [(game, created) for game, _, _, _, created in house.versions()] == [
        ("a", day(1) + HOURS),
        ("b", day(9) + timedelta(hours=1) + TICK),
        ("c", day(9) + HOURS),
    ]
    assert "1 new rows are older than the ingest before and count as known from now on" in report.message
    assert "touchline ingest --backfill" in report.message


def test_rows_of_a_declared_backfill_are_known_from_their_events_on(house: House) -> None:
    house.take([a_game("a")], now=day(5))
    report = house.backfill([a_game("b", day(2)), a_game("a", points=7)], now=day(9))
    assert [(game, points, created) for game, _, points, _, created in house.versions()] == [
        ("a", 7, day(1) + HOURS),
        ("b", 1, day(2) + HOURS),
    ]
    assert report.manifest.is_backfill


def test_a_backfill_that_was_not_declared_can_be_declared_later(house: House) -> None:
    house.take([a_game("a")], now=day(5))
    house.take([a_game("b", day(2))], now=day(6))
    house.take([a_game("a", points=3)], now=day(7))
    report = house.backfill([a_game("b", day(2)), a_game("a", points=3)], now=day(9))
    assert "1 rows count as known from their events on" in report.message
    # The correction of "a" came late and stays so.
    assert [(game, points, created) for game, _, points, _, created in house.versions()] == [
        ("a", 1, day(1) + HOURS),
        ("a", 3, day(7) + TICK),
        ("b", 1, day(2) + HOURS),
    ]
    assert house.backfill([a_game("b", day(2)), a_game("a", points=3)], now=day(10)).status == "unchanged"


def test_a_value_that_went_and_came_back_is_a_correction_each_time(house: House) -> None:
    for number, points in ((3, 1), (4, None), (5, 6)):
        house.take([a_game(points=points)], now=day(number))
    assert [(points, created) for _, _, points, _, created in house.versions()] == [
        (1, day(1) + HOURS),
        (None, day(4) + TICK),
        (6, day(5) + TICK),
    ]


def test_a_change_before_the_fact_is_knowable_replaces_it(house: House) -> None:
    fixtures = {"ahead": timedelta(days=60)}
    house.take([a_game(tipoff=day(9), points=None)], now=day(2), **fixtures)
    house.take([a_game(tipoff=day(20), points=None)], now=day(3), **fixtures)
    assert house.versions() == [("a", "x", None, day(20) + HOURS, day(20) + HOURS)]


def test_corrections_under_a_standing_clock_are_in_order(house: House) -> None:
    clock = FrozenClock(day(5))
    for points in (1, 2, 3):
        house.ingest(a_source(provider=FrameProvider(lambda p=points: (frame([a_game(points=p)]), ()))), clock=clock)
    assert [(points, created) for _, _, points, _, created in house.versions()] == [
        (1, day(1) + HOURS),
        (2, day(5) + TICK),
        (3, day(5) + 2 * TICK),
    ]
    assert clock.now() == day(5) + 2 * TICK


def test_an_event_that_moves_before_it_was_known_is_known_at_its_new_time_alone(house: House) -> None:
    ahead = {"ahead": timedelta(days=60)}
    house.take([a_game(tipoff=day(9), points=None)], now=day(2), **ahead)
    house.take([a_game(tipoff=day(4), points=None)], now=day(3), **ahead)
    house.take([a_game(tipoff=day(20), points=None)], now=day(5), **ahead)
    assert [(event, created) for _, _, _, event, created in house.versions()] == [
        (day(4) + HOURS, day(4) + HOURS),
        (day(20) + HOURS, day(20) + HOURS),
    ]


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
    assert (report.status, report.manifest.settled, [row[2] for row in house.versions()]) == ("new", 1, [1, None, 1])


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


def test_an_hour_that_the_clocks_repeat_is_read_as_its_second(house: House) -> None:
    """On 2024-10-27 the clocks of London showed 01:00 to 01:59 twice, the second time at 01:00 UTC."""

    class Reading(Contract):
        meter: str
        at: datetime
        value: float

    def take(value: float, now: datetime, at: str = "2024-10-27 01:30:00") -> IngestReport:
        rows = pl.DataFrame({"meter": ["m"], "at": [at], "value": [value]})
        source = Source(
            "readings",
            contract=Reading,
            key=("meter", "at"),
            event_time="at",
            zone="Europe/London",
            provider=FrameProvider(lambda: (rows, ())),
        )
        return house.ingest(source, now=now)

    first = take(1.0, datetime(2024, 10, 27, 0, 45, tzinfo=UTC))
    assert first.snapshot.read()["at"].to_list() == [datetime(2024, 10, 27, 1, 30, tzinfo=UTC)]
    second = take(2.0, datetime(2024, 10, 27, 1, 45, tzinfo=UTC))
    assert "1 corrected rows have a key in an hour that the clocks of Europe/London repeat" in second.message
    with_offset = take(3.0, datetime(2024, 10, 27, 2, tzinfo=UTC), "2024-10-27T01:30:00+01:00")
    assert (with_offset.manifest.added, with_offset.manifest.changed) == (1, 0)


def test_a_hidden_landing_time_says_nothing_of_the_future(house: House) -> None:
    class Flight(Contract):
        flight: str
        planned: datetime
        landed: datetime | None = None

    rows = pl.DataFrame({"flight": ["f"], "planned": [day(5)], "landed": [day(8)]})

    def take(now: datetime) -> IngestReport:
        source = Source(
            "flights",
            contract=Flight,
            key="flight",
            event_time="planned",
            known_at="landed",
            hidden_until_known=("landed",),
            provider=FrameProvider(lambda: (rows, ())),
        )
        return house.ingest(source, now=now)

    first = take(day(4))
    stored = first.snapshot.read()
    assert (stored["landed"].to_list(), stored["event_timestamp"].to_list()) == ([None], [day(5)])
    assert take(day(6)).status == "unchanged"
    landed = take(day(9)).snapshot.read()
    assert landed["landed"].to_list() == [None, day(8)]
    assert landed["event_timestamp"].to_list() == [day(5), day(8)]


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
        ("a", 2, day(6) + TICK),
        ("b", 1, CONSTANT_STAMP),
        ("c", 1, day(6) + TICK),
    ]
