"""Any worker tells of all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

from touchline.serving.metrics import Meter
from touchline.serving.prediction_log import LogStatus
from touchline.serving.worker_figures import WorkerFigures


def _meter(answered: int) -> Meter:
    meter = Meter("shop")
    for _ in range(answered):
        meter.answered("/predict", 200, 0.002)
        meter.predictions[1] += 1
        meter.feature_reads["form", "home", "present"] += 1
    meter.swaps = 1
    return meter


def _log(rows: int, failure: str | None = None) -> LogStatus:
    return LogStatus(rows_in_memory=rows, spool_bytes=0, written=0, spooled=0, failure=failure)


def _other_worker(folder: Path, pid: int) -> None:
    """What a worker with this process id would have left."""
    WorkerFigures(folder).publish([_meter(3)], _log(7, "disk full"))
    (folder / f"{os.getpid()}.json").rename(folder / f"{pid}.json")


def test_the_figures_of_workers_add_up(tmp_path: Path) -> None:
    _other_worker(tmp_path, os.getppid())
    figures = WorkerFigures(tmp_path)
    (found,) = figures.meters([_meter(2)])
    assert found.requests == {("/predict", 200): 5}
    assert found.durations["/predict"].cumulative()[-1] == ("+Inf", 5.0)
    assert found.predictions == {1: 5}
    assert found.feature_reads == {("form", "home", "present"): 5}
    assert found.swaps == 2
    assert figures.logs(_log(1)) == {"rows_in_memory": 8, "spool_bytes": 0, "refused": 0, "failing": 1}


def test_a_dead_worker_still_counts_but_its_log_waits_for_nobody(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _other_worker(tmp_path, ended.pid)
    figures = WorkerFigures(tmp_path)
    assert figures.meters([_meter(2)])[0].predictions == {1: 5}
    assert figures.logs(_log(1))["rows_in_memory"] == 1


def test_a_worker_alone_tells_of_itself_and_writes_nothing(tmp_path: Path) -> None:
    alone = WorkerFigures(None)
    alone.publish([_meter(2)], _log(1))
    assert orjson.dumps(alone.meters([_meter(2)])[0].document()) == orjson.dumps(_meter(2).document())
    assert not list(tmp_path.iterdir())
