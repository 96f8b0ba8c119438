from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.features.builders import TEAM, Game, day, running_total
from touchline.automation import Stores
from touchline.errors import StoredFileDamaged
from touchline.features import FeatureHistory, FeatureView, compute_view
from touchline.ingest import FrameProvider, Source, ingest_source, read_snapshot
from touchline.rehearsal.scratch_home import RehearsalClock, open_scratch
from touchline.rehearsal.shared_histories import SharedHistories

FIRST = [("1", day(1), "A", 3), ("2", day(2), "A", 1), ("3", day(3), "B", 0)]
SECOND = [*FIRST, ("4", day(8), "B", 2)]


def a_home(folder: Path) -> tuple[Stores, RehearsalClock]:
    clock = RehearsalClock(day(5))
    return open_scratch(folder, clock), clock


def parts(rows: list[tuple[Any, ...]], stores: Stores, clock: RehearsalClock, at: datetime) -> dict[str, Any]:
    """The view of these rows and all else that computes it, after their ingest."""
    frame = pl.DataFrame(rows, schema=["game_id", "played_at", "team", "points"], orient="row")
    provider = FrameProvider(lambda: (frame, ()))
    source = Source("games", contract=Game, key="game_id", event_time="played_at", provider=provider)
    clock.move_to(at)
    ingest_source(source, project="p", stores=stores, clock=clock)
    view = FeatureView(name="running_total", entity=TEAM, sources=(source,), function=running_total)
    snapshots = {"games": read_snapshot("p", "games", stores)}
    return {"view": view, "project": "p", "stores": stores, "clock": clock, "snapshots": snapshots}


def content_of(history: FeatureHistory) -> tuple[Any, ...]:
    return history.parts, history.pending, history.computed_until, history.scan().collect().rows()


def test_a_history_that_another_process_computed_is_taken_over(tmp_path: Path) -> None:
    shared = SharedHistories(tmp_path / "shared")
    (first, first_clock), (second, second_clock) = a_home(tmp_path / "first"), a_home(tmp_path / "second")
    rows_of_second = tmp_path / "second" / "objects" / "p" / "snapshots"
    for rows, at in ((FIRST, day(5)), (SECOND, day(10))):
        computed = shared.compute_view(**parts(rows, first, first_clock, at))
        named = parts(rows, second, second_clock, at)
        rows_of_second.rename(tmp_path / "aside")  # so that nothing can be computed there
        with pytest.raises(StoredFileDamaged):
            compute_view(**named)
        taken = shared.compute_view(**named)
        assert content_of(taken) == content_of(computed)
        assert content_of(compute_view(**named)) == content_of(computed)
        (tmp_path / "aside").rename(rows_of_second)
    for stores in (first, second):
        stores.database.close()
