"""The log loses nothing that reached the disk, and writes nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from tests.databases import a_database
from tests.serving.builders import FAST_LOG, NOW, a_release, wait_for
from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.drain_processes import DrainChild, DrainThread
from touchline.predictions.shared_spool import SharedSpool
from touchline.predictions.spool import Spool, closed_segment, read_segment, segments
from touchline.predictions.spool_drain import DrainLimits, RowsRefused, SpoolDrain, is_drained, read_drain_status
from touchline.predictions.writer import LogLimits, PredictionLog
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext

_A_PARENT = """
import os, signal, sys, time
from pathlib import Path
from touchline.predictions.drain_processes import DrainChild
from touchline.predictions.spool_drain import is_drained
from touchline.predictions.writer import LogLimits, PredictionLog
from touchline.storage import Database

root = Path(sys.argv[1])
limits = LogLimits(flush_seconds=0.005, hand_over_seconds=600)
log = PredictionLog(root, DrainChild(root, Database.open(sys.argv[2])), limits)
log.start()
log.record(sys.argv[3].encode())
while not (is_drained(root) and log.status().spooled):
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


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


def _line() -> str:
    """A row of the log as a request makes it, with the id p1."""
    row = {"age": 40, "colour": None, "cutoff": None, "example_id": None}
    context = RequestContext("request", None, NOW, NOW)
    return Predictor(a_release(), None).answer_one(row, context, lambda: "p1").line.decode()


def _started(folder: Path, sink: Memory, limits: LogLimits = FAST_LOG) -> PredictionLog:
    log = PredictionLog(folder, DrainThread(folder, sink, limits.drain), limits)
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
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_another_process_reads_segments_of_the_log_and_its_rows_are_written_once(tmp_path: Path) -> None:
    sinks = {name: Memory() for name in ("log", "one", "two")}
    drains = {name: DrainThread(tmp_path / name, sink, FAST_LOG.drain) for name, sink in sinks.items()}
    log = PredictionLog(tmp_path / "log", drains.pop("log"), FAST_LOG)
    others = {name: SharedSpool(tmp_path / name, drain, FAST_LOG, name=name) for name, drain in drains.items()}
    before = threading.active_count()
    log.start(*others.values())
    assert threading.active_count() == before + 1
    for turn in range(3):
        for name, place in (("log", None), ("one", tmp_path / "one"), ("two", tmp_path / "two")):
            log.record(orjson.dumps({"prediction_id": f"{name}{turn}"}), place)
            wait_for(lambda name=name, turn=turn: f"{name}{turn}" in sinks["log"].rows)  # the others idle meanwhile
            wait_for(lambda name=name, turn=turn: f"{name}{turn}" in sinks[name].rows)
    log.record(b'{"prediction_id": "last"}', tmp_path / "two")
    log.stop()
    for other in others.values():
        other.stop()
        assert other.status().spool_bytes == 0
    assert (sinks["log"].writes, "last" in sinks["two"].rows, "last" in sinks["one"].rows) == (10, True, False)


def test_a_segment_in_two_spools_is_one_file_that_both_drains_may_read_at_once(tmp_path: Path) -> None:
    spool, other, sink = Spool(tmp_path / "log"), tmp_path / "other", Memory()
    spool.append(b'{"prediction_id": "p1"}\n')
    spool.append(b'{"prediction_id": "p2"}\n', [other])
    (first,), (second,) = tmp_path.glob("log/*/*.jsonl"), tmp_path.glob("other/*/*.jsonl")
    assert first.samefile(second)
    assert SpoolDrain(other, sink).drain()
    assert not sink.rows  # its worker still writes to it
    spool.close_segment()
    with closed_segment(first) as is_first, closed_segment(second) as is_second:
        assert is_first
        assert is_second  # a slow reader delays no other
    assert SpoolDrain(other, sink).drain()
    assert set(sink.rows) == {"p1", "p2"}
    assert first.exists()
    spool.close()


def test_rows_of_a_segment_that_somebody_deletes_from_another_spool_are_written_again(tmp_path: Path) -> None:
    spool, other, sink = Spool(tmp_path / "log"), tmp_path / "other", Memory()
    spool.append(b'{"prediction_id": "p1"}\n', [other])
    shutil.rmtree(other)
    lost = spool.close_segment()
    spool.append(lost, [other])
    spool.close()
    assert SpoolDrain(other, sink).drain()
    assert set(sink.rows) == {"p1"}


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
        wait_for(lambda: log.status().rows_in_memory == 0)
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
    assert dead._lock is not None
    assert dead._open is not None
    os.close(dead._open)  # as the kernel does when a process dies
    os.close(dead._lock)
    sink = Memory()
    log = _started(tmp_path, sink)
    wait_for(lambda: set(sink.rows) == {"p1", "p2"})
    wait_for(lambda: read_drain_status(tmp_path).torn_bytes == 9)
    log.stop()
    assert not dead.has_segments


def test_the_rows_of_other_workers_count_while_they_wait_and_no_longer(tmp_path: Path) -> None:
    other = Spool(tmp_path)
    other.append(b'{"prediction_id": "1"}\n' * 50)
    other.close_segment()
    log = PredictionLog(tmp_path, DrainThread(tmp_path, Memory(), FAST_LOG.drain), FAST_LOG)
    assert log.status().spool_bytes == 50 * len(b'{"prediction_id": "1"}\n')
    log.start()
    wait_for(lambda: log.status().spool_bytes == 0)
    log.stop()
    other.close()


def test_the_segment_that_a_living_worker_writes_is_left_alone(tmp_path: Path) -> None:
    alive, sink = Spool(tmp_path), Memory()
    alive.append(b'{"prediction_id": "p1"}\n')
    drain = SpoolDrain(tmp_path, sink)
    assert drain.drain()
    assert not sink.rows
    alive.append(b'{"prediction_id": "p2"}\n')
    alive.close_segment()
    alive.append(b'{"prediction_id": "p3"}\n')
    assert drain.drain()
    assert set(sink.rows) == {"p1", "p2"}
    alive.close()
    assert drain.drain()
    assert set(sink.rows) == {"p1", "p2", "p3"}


def test_one_drain_at_a_time_and_the_next_takes_over(tmp_path: Path) -> None:
    sinks = [Memory(), Memory()]
    first = DrainThread(tmp_path, sinks[0], FAST_LOG.drain)
    first.ensure()
    wait_for(lambda: is_drained(tmp_path))
    second, is_ending = SpoolDrain(tmp_path, sinks[1], FAST_LOG.drain), threading.Event()
    second.run_unless_drained(is_ending)  # returns at once
    first.stop(5)
    assert not is_drained(tmp_path)
    spool = Spool(tmp_path)
    spool.append(b'{"prediction_id": "p1"}\n')
    spool.close()
    is_ending.set()
    second.run_unless_drained(is_ending)
    assert [set(sink.rows) for sink in sinks] == [set(), {"p1"}]


def test_a_child_writes_what_waits_and_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Without a scheduler. The parent records rows that its log has not handed over, and dies of SIGKILL."""
    database = a_database(tmp_path)
    parent = subprocess.Popen([sys.executable, "-c", _A_PARENT, str(tmp_path / "spool"), database.url, _line()])
    assert parent.wait(60) == -9
    wait_for(lambda: not is_drained(tmp_path / "spool") and not list(tmp_path.glob("spool/*/*.jsonl")), seconds=60)
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT prediction_id FROM predictions").scalars().all() == ["p1"]
    database.close()


def test_a_child_is_not_started_where_another_process_drains(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    other = DrainThread(tmp_path / "spool", DatabaseWriter(database), DrainLimits())
    other.ensure()
    wait_for(lambda: is_drained(tmp_path / "spool"))
    child = DrainChild(tmp_path / "spool", database)
    child.ensure()
    assert child._child is None
    other.stop(5)
    child.ensure()
    assert child._child is not None
    child.stop(60)
    assert child._child.returncode == 0
    database.close()


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


@pytest.mark.parametrize("is_root", [True, False])
def test_rows_of_a_segment_that_somebody_deletes_are_written_again(
    tmp_path: Path, is_root: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sink, folder = Memory(), tmp_path / "spool"
    log = _started(folder, sink, LogLimits(flush_seconds=0.005, hand_over_seconds=600))
    for row in _rows(30):
        log.record(row)
    wait_for(lambda: log.status().spooled == 30)
    for place in [folder] if is_root else [path for path in folder.iterdir() if path.is_dir()]:
        shutil.rmtree(place)
    log.stop(within_seconds=60.0)
    assert len(sink.rows) == 30
    assert "30 rows of the prediction log were not safe" in caplog.text
