"""Rows that come late, corrected and moved: training sees what serving had, by a computation of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases import a_database
from tests.features.builders import INSTANT, TEAM, Game, a_game, a_view, day, running_total, versions
from tests.features.test_compute import a_source
from tests.stores import some_stores
from touchline.clock import FrozenClock
from touchline.errors import LooksAhead
from touchline.features import (
    ColumnSpec,
    FeatureHistory,
    FeatureReader,
    FeatureView,
    OnlineStore,
    ServedView,
    build_history,
    compute_view,
    materialize_view,
    open_online_store,
    point_in_time_join,
)
from touchline.features.offline.history import (
    first_step,
    history_of,
    ingest_instants,
    later_steps,
    sorted_history,
)
from touchline.ingest import FrameProvider, Source, ingest_source, read_snapshot

Batch = Sequence[tuple[int, int, str, int | None]]
"""Game, the day it is played on, team, points."""

games = st.tuples(st.integers(0, 5), st.integers(0, 24), st.sampled_from("AB"), st.one_of(st.none(), st.integers(0, 9)))
arrivals = st.lists(st.lists(games, min_size=1, max_size=4, unique_by=lambda game: game[0]), min_size=1, max_size=6)


class Project:
    """One source and one view that are ingested, computed and materialized at a day; what was served then."""

    def __init__(self, folder: Path) -> None:
        self.database = a_database(folder)
        self.stores = some_stores(self.database, folder / "objects")
        self.online: OnlineStore = open_online_store("sqlite", str(folder / "online.db"))

    def close(self) -> None:
        self.online.close()
        self.database.close()

    def view(self, batch: Batch) -> FeatureView:
        rows = [(str(game), day(at), team, points) for game, at, team, points in batch]
        frame = pl.DataFrame(rows, schema=["game_id", "played_at", "team", "points"], orient="row")
        source = Source(
            "games",
            contract=Game,
            key="game_id",
            event_time="played_at",
            ahead=timedelta(days=90),
            provider=FrameProvider(lambda: (frame.cast({"points": pl.Int64}), ())),
        )
        return FeatureView(name="running_total", entity=TEAM, sources=(source,), function=running_total)

    def take(self, batch: Batch, clock: FrozenClock) -> dict[str, int | None]:
        """Ingest and materialize; the totals that a request gets right after."""
        view = self.view(batch)
        ingest_source(view.sources[0], project="p", stores=self.stores, clock=clock)
        materialize_view(view, project="p", stores=self.stores, online=self.online, clock=clock)
        columns = (ColumnSpec("total", "number", origin="view:running_total"),)
        reader = FeatureReader((ServedView.of("p", view.on("team")),), columns, self.online)
        totals = {team: reader.read_one({"team": team}, clock.now())[0][0] for team in "AB"}
        return {team: None if total != total else int(total) for team, total in totals.items()}

    def history(self, batch: Batch) -> FeatureHistory:
        return compute_view(self.view(batch), project="p", stores=self.stores, clock=FrozenClock(day(200)))


def joined(view: FeatureView, history: FeatureHistory, cutoffs: Sequence[datetime]) -> list[dict[str, int | None]]:
    """The totals of a training set at these cutoffs."""
    examples = pl.DataFrame({"team": ["A", "B"] * len(cutoffs), "cutoff": [at for at in cutoffs for _ in "AB"]})
    totals = point_in_time_join(examples, [view.on()], {"running_total": history})["total"].to_list()
    return [dict(zip("AB", totals[place : place + 2], strict=True)) for place in range(0, len(totals), 2)]


def by_hand(batches: Sequence[Batch], taken_at: Sequence[datetime], cutoff: datetime) -> dict[str, int | None]:
    """The points of each team from the rows that had come by the cutoff; those of the first batch count at once."""
    table: dict[int, tuple[int, str, int | None]] = {}
    for place, batch in enumerate(batches):
        if place == 0 or taken_at[place] <= cutoff:
            table.update({game: (at, team, points) for game, at, team, points in batch})
    totals: dict[str, int | None] = dict.fromkeys("AB")
    for at, team, points in table.values():
        if day(at) <= cutoff and points is not None:
            totals[team] = (totals[team] or 0) + points
    return totals


@settings(max_examples=10, deadline=None)
@given(arrivals, st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_training_sees_what_was_served_whenever_rows_came(batches: list[Batch], gaps: list[int]) -> None:
    """A gap of no day stands for a clock that stands still between two ingests."""
    with TemporaryDirectory() as name:
        project = Project(Path(name))
        clock, taken_at, served = FrozenClock(day(10)), [], []
        for batch, gap in zip(batches, gaps, strict=False):
            clock.move_to(clock.now() + timedelta(days=gap))
            served.append(project.take(batch, clock))
            taken_at.append(clock.now())
        history, view = project.history(batches[-1]), project.view(batches[-1])
        assert joined(view, history, taken_at) == served
        cutoffs = [at + timedelta(hours=hours) for at in taken_at for hours in (-1, 0, 1, 30)]
        assert joined(view, history, cutoffs) == [by_hand(batches, taken_at, cutoff) for cutoff in cutoffs]
        whole = build_history(view, {"games": read_snapshot("p", "games", project.stores)})
        assert joined(view, history, cutoffs) == joined(view, whole.lazy(), cutoffs)  # type: ignore[arg-type]  # rows do
        project.close()


def test_a_history_shares_the_files_of_the_one_before(tmp_path: Path) -> None:
    project, clock = Project(tmp_path), FrozenClock(day(10))
    first = [(game, game, "A", 1) for game in range(6)]
    project.take(first, clock)
    before = project.history(first)
    clock.move_to(day(12))
    project.take([(9, 11, "B", 4)], clock)
    after = project.history(first)
    assert after.parts[: len(before.parts)] == before.parts
    assert sum(part.rows for part in after.parts) == sum(part.rows for part in before.parts) + 1
    project.close()


def test_a_view_that_changes_the_past_is_refused_when_rows_come(tmp_path: Path) -> None:
    """On the first rows it cannot be seen: a team has one game, and all of its points are those so far."""

    def last_of_team(games: pl.LazyFrame) -> pl.LazyFrame:
        return games.select("team", "event_timestamp", total=pl.col("points").sum().over("team"))

    database = a_database(tmp_path)
    stores, clock = some_stores(database, tmp_path / "objects"), FrozenClock(day(20))
    for rows in ([("1", day(1), "A", 3), ("2", day(2), "B", 5)], [("3", day(3), "A", 4)]):
        source = a_source(rows)
        view = FeatureView(name="totals", entity=TEAM, sources=(source,), function=last_of_team)
        ingest_source(source, project="p", stores=stores, clock=clock)
        if len(rows) == 2:
            compute_view(view, project="p", stores=stores, clock=clock)
        clock.move_to(day(30))
    with pytest.raises(LooksAhead, match=r"'totals' looks into the future: its feature 'total' .* is 7 with"):
        compute_view(view, project="p", stores=stores, clock=clock)
    database.close()


in_order = st.lists(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=3),
    min_size=2,
    max_size=8,
)


@settings(max_examples=20, deadline=None)
@given(in_order, st.lists(st.integers(-2, 80), min_size=1, max_size=6))
def test_ingests_in_order_give_the_same_history_in_fewer_runs(days: list[Any], hours: list[int]) -> None:
    """Batch k holds events of day k, some of them hours after its ingest; each ingest is at noon."""
    rows, runs = [], []
    for number, batch in enumerate(days):
        noon = day(number, hour=12)
        for place, (team, points, later) in enumerate(batch):
            event = day(number, hour=5 * later + place)
            created = max(event, noon) if number else event
            rows.append(
                {**a_game(f"{number}-{place}", event, team, points, created=created), "at": noon if number else None}
            )
    come = pl.DataFrame([(row["game_id"], row.pop("at")) for row in rows], schema=["game_id", "at"], orient="row")
    frame = versions(rows).join(come.cast({"at": INSTANT}), on="game_id", maintain_order="left")
    frame = frame.with_columns(pl.col("at").alias("_ingested"), pl.lit(0, dtype=pl.Int32).alias("_version")).drop("at")

    def counted(games: pl.LazyFrame) -> pl.LazyFrame:
        runs.append(1)
        return running_total(games)

    view = a_view(counted)
    _ = view.features
    runs.clear()
    together = history_of(view, [frame])
    assert len(runs) <= 3
    one_by_one = [first_step(view, [frame], until=ingest_instants([frame])[0])]
    for instant in ingest_instants([frame]):
        one_by_one += later_steps(view, [frame], one_by_one[-1], [instant])
    steps = pl.concat([*(step.rows for step in one_by_one), one_by_one[-1].pending])
    examples = pl.DataFrame({"team": ["A", "B"] * len(hours), "cutoff": [day(0, at) for at in hours for _ in "AB"]})
    found = [point_in_time_join(examples, [view.on()], {"counted": one.lazy()}) for one in (together, steps)]
    assert found[0].equals(found[1])
    assert together.height == sorted_history(view, steps).height
