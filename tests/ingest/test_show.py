from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.ingest.builders import PROJECT, Game, House, a_game, a_source, day, frame
from touchline.contracts import Contract
from touchline.errors import BatchRejected, ManifestNotFound
from touchline.ingest import (
    CsvFiles,
    Source,
    checkout,
    diff_snapshots,
    read_freshness,
    read_manifest,
    show_quarantine,
    show_snapshot,
)
from touchline.ingest.summary import distance, summarise

NOW = day(1, month=6)


def two_snapshots(house: House) -> tuple[str, str]:
    first = house.take([a_game("a", points=None), a_game("b"), a_game("c", venue="y")], now=NOW)
    second = house.take([a_game("a", points=4), a_game("b", points=3), a_game("d")], now=NOW + timedelta(days=1))
    return first.snapshot.hash, second.snapshot.hash


def test_a_snapshot_is_shown_with_its_columns_and_its_siblings(house: House) -> None:
    first, second = two_snapshots(house)
    view = show_snapshot(a_source(), project=PROJECT, stores=house.stores)
    assert (view.snapshot.hash, view.versions, view.keys) == (second, 6, 4)
    assert (view.first_event, view.newest_event) == (day(1) + timedelta(hours=3), day(1) + timedelta(hours=3))
    assert [(line.sequence, line.hash, line.rows) for line in view.all_snapshots] == [(2, second, 6), (1, first, 3)]
    points = next(column for column in view.columns if column.name == "points")
    assert (points.nulls, points.least, points.most, points.mean) == (0, "1", "4", 2.25)
    assert show_snapshot(a_source(), project=PROJECT, stores=house.stores, hash=first[:8]).keys == 3


def test_a_diff_names_rows_cells_and_distributions(house: House) -> None:
    first, second = two_snapshots(house)
    diff = diff_snapshots(a_source(), first[:10], project=PROJECT, stores=house.stores)
    assert (diff.before.hash, diff.after.hash, diff.is_same, diff.schema_changed) == (first, second, False, False)
    assert (diff.rows_before, diff.rows_after, diff.rows_added, diff.rows_removed, diff.rows_changed) == (3, 4, 1, 0, 2)
    assert [(cell.key, cell.column, cell.before, cell.after) for cell in diff.examples] == [
        ("a", "points", None, "4"),
        ("b", "points", "1", "3"),
    ]
    points = next(column for column in diff.columns if column.name == "points")
    assert (points.changed, points.before.nulls, points.after.nulls, points.distance) == (2, 1, 0, 0.5)


def test_a_diff_names_columns_that_came_went_or_changed_type(house: House) -> None:
    first, _ = two_snapshots(house)

    class Changed(Game):
        points: float | None = None  # type: ignore[assignment]  # the change under test
        referee: str | None = None

    batch = frame([a_game("a")]).with_columns(referee=pl.lit("R"), points=pl.lit(4.0))
    house.take(batch, now=NOW + timedelta(days=2), contract=Changed)
    diff = diff_snapshots(a_source(contract=Changed), first, project=PROJECT, stores=house.stores)
    assert (diff.columns_added, diff.columns_removed, diff.retyped) == (
        ("referee",),
        (),
        (("points", "Int64", "Float64"),),
    )


def test_distances_agree_with_hand_arithmetic() -> None:
    def column(*values: object) -> pl.Series:
        return pl.Series("x", values)

    assert distance(column(1, 2, 3, 4), column(1, 2, 3, 4)) == 0
    assert distance(column(1, 2, 3, 4), column(3, 4, 5, 6)) == 0.5
    assert distance(column("a", "a", "b", "b"), column("a", "b", "b", "b")) == 0.25
    assert distance(column(1, 2, None, None), column(1, 2, 1, 2)) == 0.5
    assert summarise(column("a", "b", "b", None)).levels == (("b", 2), ("a", 1))


def test_checkout_gives_back_any_snapshot(house: House, tmp_path: Path) -> None:
    first, _ = two_snapshots(house)
    checkout(a_source(), tmp_path / "all.parquet", project=PROJECT, stores=house.stores)
    assert pl.read_parquet(tmp_path / "all.parquet").equals(house.snapshot().read())
    checkout(a_source(), tmp_path / "first.csv", project=PROJECT, stores=house.stores, hash=first, versions=False)
    other = house.ingest(a_source(name="copies", provider=CsvFiles(tmp_path / "first.csv")), now=NOW)
    assert other.snapshot.hash == first


def test_the_quarantine_tells_the_last_ingest_that_rejected_rows(house: House) -> None:
    assert show_quarantine(PROJECT, "games", stores=house.stores).manifest is None
    with pytest.raises(BatchRejected):
        house.take([a_game("a", points=-1), a_game("b", points=-2)], now=NOW)
    house.take([a_game("a")], now=NOW)
    view = show_quarantine(PROJECT, "games", stores=house.stores)
    assert [(rule.rule, rule.rows, rule.first_value) for rule in view.rules] == [("points >= 0", 2, "-1")]
    assert view.manifest is not None
    named = show_quarantine(PROJECT, "games", stores=house.stores, manifest_id=view.manifest.id)
    assert named.rows.equals(view.rows)
    assert named.rows["record"][1].startswith('{"game_id":"b"')


def test_an_unknown_ingest_is_named(house: House) -> None:
    with pytest.raises(ManifestNotFound, match=r"No ingest 'x' is recorded\. Known ones: touchline data log"):
        read_manifest(house.database, "x")


class Day(Contract):
    day: date


def test_the_newest_event_of_a_source_of_days_is_its_day(house: House, tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text("day\n2019-12-30\n2019-12-31\n")
    source = Source(name="days", contract=Day, key="day", event_time="day", provider=CsvFiles(tmp_path / "days.csv"))
    house.ingest(source, now=NOW)
    found = read_freshness(source, project=PROJECT, stores=house.stores, now=NOW, wall=NOW)
    assert (found.newest_event, found.newest_day) == (day(1), date(2019, 12, 31))


def test_freshness_counts_from_the_last_good_ingest(house: House) -> None:
    def freshness(now: datetime, wall: datetime, **changes: object) -> tuple[object, ...]:
        found = read_freshness(a_source(**changes), project=PROJECT, stores=house.stores, now=now, wall=wall)
        return found.last_status, found.newest_event, found.is_stale, found.rows

    wall = datetime.now(UTC)
    assert freshness(NOW, wall) == (None, None, True, 0)
    house.take([a_game("a", day(1)), a_game("b", day(5))], now=NOW)
    with pytest.raises(BatchRejected):
        house.take([a_game("a", points=-1)], now=NOW)
    knowable = [day(number) + timedelta(hours=3) for number in (1, 5)]
    assert freshness(NOW, wall) == ("rejected", knowable[1], False, 2)
    assert freshness(day(2), wall)[1] == knowable[0]
    later = wall + timedelta(hours=3)
    assert freshness(NOW, later, max_age=timedelta(hours=2))[2]
    assert not freshness(NOW, later, max_age=timedelta(hours=4))[2]
