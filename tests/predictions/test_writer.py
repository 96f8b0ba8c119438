"""The log loses nothing that reached the disk, and writes nothing twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from tests.serving.builders import FAST_LOG, a_database, wait_for
from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.spool import Spool, read_segment, segments
from touchline.predictions.writer import LogLimits, PredictionLog, RowsRefused


class Memory:
    """A sink that keeps rows by their key, and can be away."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.writes = 0
        self.is_away = False

    def write(self, lines: Sequence[bytes]) -> None:
        if self.is_away:
            raise ConnectionError("gone")
        self.writes += len(lines)
        self.rows |= {orjson.loads(line)["prediction_id"]: line for line in lines}


def _rows(count: int) -> list[bytes]:
    return [orjson.dumps({"prediction_id": f"p{index}"}) for index in range(count)]


def _started(folder: Path, sink: Memory, limits: LogLimits = FAST_LOG) -> PredictionLog:
    log = PredictionLog(folder, sink, limits)
    log.start()
    return log


def test_every_row_arrives_once(tmp_path: Path) -> None:
    sink = Memory()
    log = _started(tmp_path, sink)
    for row in _rows(1000):
        log.record(row)
    wait_for(lambda: len(sink.rows) == 1000)
    log.stop()
    assert sink.writes == 1000
    assert not list(tmp_path.iterdir())


def test_rows_that_wait_for_a_slow_database_are_counted_and_bounded(tmp_path: Path) -> None:
    """It fails no write: only the backlog shows that it does not keep up."""
    is_released = threading.Event()

    class Slow(Memory):
        def write(self, lines: Sequence[bytes]) -> None:
            is_released.wait(30)
            super().write(lines)

    sink = Slow()
    log = _started(tmp_path, sink, LogLimits(flush_seconds=0.002, hand_over_seconds=0.01, max_spool_bytes=4000))
    try:
        wait_for(lambda: log.record(b'{"prediction_id": "%020d"}' % log.status().spooled) or not log.has_room)
        status = log.status()
        assert status.failure is None
        assert status.spool_bytes == sum(path.stat().st_size for path in tmp_path.glob("*/*.jsonl")) >= 4000
        folder = next(tmp_path.glob("*/*.jsonl")).parent
        for path in folder.glob("*.jsonl"):
            os.utime(path, (time.time() - 60, time.time() - 60))
        assert log.status().is_behind
    finally:
        is_released.set()
    wait_for(lambda: log.status().spool_bytes == 0)
    assert log.has_room
    assert not log.status().is_behind
    log.stop()


def test_stopping_writes_what_is_in_memory(tmp_path: Path) -> None:
    sink = Memory()
    log = _started(tmp_path, sink, LogLimits(flush_seconds=60))
    for row in _rows(10):
        log.record(row)
    log.stop()
    assert len(sink.rows) == 10


def test_a_database_that_is_away_delays_and_loses_nothing(tmp_path: Path) -> None:
    sink = Memory()
    sink.is_away = True
    log = _started(tmp_path, sink)
    for row in _rows(50):
        log.record(row)
    wait_for(lambda: log.status().failure)
    assert log.has_room
    sink.is_away = False
    wait_for(lambda: len(sink.rows) == 50)
    wait_for(lambda: log.status().failure is None)
    log.stop()


def test_a_row_that_the_database_can_never_take_holds_nothing_up(tmp_path: Path) -> None:
    class Picky(Memory):
        def write(self, lines: Sequence[bytes]) -> None:
            if any(b"p13" in line for line in lines):
                raise RowsRefused("unlucky")
            super().write(lines)

    sink = Picky()
    log = _started(tmp_path, sink)
    for row in _rows(40):
        log.record(row)
    wait_for(lambda: len(sink.rows) == 39)
    wait_for(lambda: log.status().refused == 1)
    assert log.status().failure is None
    log.stop()
    kept = orjson.loads((tmp_path / "refused.jsonl").read_bytes())
    assert kept == {"reason": "unlucky", "line": '{"prediction_id":"p13"}'}


@pytest.mark.parametrize(
    "line", [b"{", b'{"vector":"zz"}', b'{"prediction_id": tru, "vector":"00"}', b'{"vector":"00"}']
)
def test_the_database_tells_a_wrong_row_from_its_own_absence(tmp_path: Path, line: bytes) -> None:
    database = a_database(tmp_path)
    with pytest.raises(RowsRefused):
        DatabaseWriter(database).write([line])
    database.close()


def test_what_a_dead_worker_left_is_taken_over(tmp_path: Path) -> None:
    dead = Spool(tmp_path)
    dead.append(b'{"prediction_id": "p1"}\n{"prediction_id": "p2"}\n{"predict')
    dead.close_segment()
    assert dead._lock is not None
    import os

    os.close(dead._lock)  # as the kernel does when a process dies
    sink = Memory()
    log = _started(tmp_path, sink)
    wait_for(lambda: set(sink.rows) == {"p1", "p2"})
    log.stop()


def test_the_rows_of_other_workers_count_while_they_wait_and_no_longer(tmp_path: Path) -> None:
    other = Spool(tmp_path)
    other.append(b'{"prediction_id": "1"}\n' * 50)
    other.close_segment()
    log = PredictionLog(tmp_path, Memory(), FAST_LOG)
    assert log.status().spool_bytes == 50 * len(b'{"prediction_id": "1"}\n')
    for segment in tmp_path.glob("*/*.jsonl"):  # the other worker gives them to the database
        segment.unlink()
    log.start()
    wait_for(lambda: log.status().spool_bytes == 0)
    log.stop()
    other.close()


def test_what_a_living_worker_has_is_left_alone(tmp_path: Path) -> None:
    alive = Spool(tmp_path)
    alive.append(b'{"prediction_id": "p1"}\n')
    alive.close_segment()
    with Spool(tmp_path).orphans() as found:
        assert found == []
    alive.close()


def test_a_spool_that_cannot_be_written_keeps_rows_in_memory(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.write_text("a file where the folder should be")
    sink = Memory()
    log = _started(folder, sink, LogLimits(flush_seconds=0.005, hand_over_seconds=0.01, max_rows_in_memory=20))
    for row in _rows(20):
        log.record(row)
    wait_for(lambda: log.status().failure)
    assert not log.has_room
    folder.unlink()
    wait_for(lambda: len(sink.rows) == 20)
    assert log.has_room
    log.stop()


@pytest.mark.parametrize("torn", [b'{"prediction_id": "p2"', b'{"predic\x00'])
def test_a_torn_line_is_not_a_row(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "00000001.jsonl"
    path.write_bytes(b'{"prediction_id": "p1"}\n' + torn)
    segment = read_segment(path)
    assert segment.lines == [b'{"prediction_id": "p1"}']
    assert segment.torn_bytes == len(torn)
    assert segments(tmp_path) == [path]
