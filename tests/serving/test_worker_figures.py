"""Any worker tells of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from tests.serving.builders import NOW, a_release
from tests.storage.children import start, wait_for_line
from touchline.features.online.reader import ViewStatus
from touchline.predictions.writer import LogStatus
from touchline.serving.predicting.answered import Answered, AnswerForm, PlainAnswer
from touchline.serving.predicting.scored_row import ScoredRow
from touchline.serving.telemetry.exposition import exposition
from touchline.serving.telemetry.metrics import Meter
from touchline.serving.telemetry.worker_metrics import WorkerFigures

_PUBLISH = """
import sys
from pathlib import Path
from tests.serving.test_worker_figures import _log, _meter
from touchline.serving.telemetry.worker_metrics import WorkerFigures
WorkerFigures(Path(sys.argv[1])).publish([_meter(3)], lambda: _log(7, "disk full"))
print("ready", flush=True)
sys.stdin.readline()
"""


def _meter(answered: int) -> Meter:
    meter = Meter("shop")
    for _ in range(answered):
        meter.answered("/predict", 200, 0.002)
        meter.predictions[1, "production"] += 1
        meter.feature_reads["form", "home", "present"] += 1
    meter.swaps = 1
    return meter


def _log(rows: int, failure: str | None = None) -> LogStatus:
    return LogStatus(rows_in_memory=rows, spool_bytes=0, written=0, spooled=0, failure=failure)


@contextmanager
def _another_worker(folder: Path) -> Iterator[None]:
    """A process that has published and lives as long as the block."""
    worker = start(_PUBLISH, str(folder))
    assert wait_for_line(worker) == "ready"
    try:
        yield
    finally:
        worker.communicate("end\n", timeout=240)


def test_the_figures_of_workers_add_up(tmp_path: Path) -> None:
    figures = WorkerFigures(tmp_path)
    with _another_worker(tmp_path):
        figures.publish([_meter(2)], lambda: _log(1))
        (found,) = figures.meters([_meter(2)])
        assert found.requests == {("/predict", 200): 5}
        assert found.durations["/predict",].cumulative()[-1] == ("+Inf", 5.0)
        assert found.predictions == {(1, "production"): 5}
        assert found.feature_reads == {("form", "home", "present"): 5}
        assert found.swaps == 2
        assert figures.logs(_log(1)) == {"rows_in_memory": 8, "spool_bytes": 0, "refused": 0, "failing": 1}
    # It is dead now: what it counted still counts, so that no counter goes back; its log waits for nobody.
    assert figures.meters([_meter(2)])[0].predictions == {(1, "production"): 5}
    assert figures.logs(_log(1)) == {"rows_in_memory": 1, "spool_bytes": 0, "refused": 0, "failing": 0}


def test_a_worker_alone_tells_of_itself_and_writes_nothing(tmp_path: Path) -> None:
    alone = WorkerFigures(None)
    alone.publish([_meter(2)], lambda: _log(1))
    assert orjson.dumps(alone.meters([_meter(2)])[0].document()) == orjson.dumps(_meter(2).document())
    assert not list(tmp_path.iterdir())


def test_two_workers_asked_in_turn_never_tell_less_than_before(tmp_path: Path) -> None:
    """Each worker publishes when it is asked: what one has told, the other knows."""
    workers = [WorkerFigures(tmp_path) for _ in range(2)]
    workers[1]._own = "another.json"  # two workers in one process
    meters, told = [_meter(0), _meter(0)], []
    for turn in range(40):
        meters[turn % 2].answered("/predict", 200, 0.001)
        figures, meter = workers[turn // 2 % 2], meters[turn // 2 % 2]
        figures.publish([meter], lambda: _log(0))
        told.append(figures.meters([meter])[0].requests["/predict", 200])
    assert told == sorted(told)


def test_plain_rows_are_counted_together_as_one_by_one() -> None:
    together, one_by_one = Meter("shop"), Meter("shop")
    form = AnswerForm(a_release())
    for number in range(200):
        scores = [number % 21 / 20, 1 - number % 21 / 20]  # on the bounds of the buckets, too
        seconds = 0.0001 * (number % 7)
        statuses = (ViewStatus("form", "home", "v1", "present" if number % 3 else "missing"),)
        together.answered_plain(PlainAnswer(b"", b"", form.series, scores, statuses), seconds)
        one_by_one.answered("/predict", 200, seconds)
        output = a_release().output(scores)
        scored = ScoredRow({}, NOW, b"", statuses, scores)
        one_by_one.scored(form.series.version, [Answered("p", scored, output, b"", b"", b"", form)])
        if number == 90:
            together.collect()
        if number == 150:  # other requests are counted at once
            for meter in (together, one_by_one):
                meter.answered("/predict", 422, 0.5)
    texts = [exposition(WorkerFigures(None).meters([meter]), []).decode() for meter in (together, one_by_one)]
    assert _numbers(texts[0]) == pytest.approx(_numbers(texts[1]), abs=1e-9)
    assert len(_numbers(texts[0])) > 60


def _numbers(text: str) -> dict[str, float]:
    """The values by series."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in lines}


def test_probabilities_and_rows_are_counted_by_version() -> None:
    meter = Meter("shop")
    scored, output = ScoredRow({}, NOW, b"", (), [0.9, 0.1]), {"probabilities": {"no": 0.9, "yes": 0.1}}
    answers = [Answered("p", scored, output, b"", b"", b"", AnswerForm(a_release())) for _ in range(3)]
    meter.scored(7, answers)
    document = orjson.loads(orjson.dumps(meter.document()))
    together = Meter("shop")
    together.add(document)
    together.add(document)
    text = exposition([together], []).decode()
    assert 'touchline_predicted_probability_bucket{class="yes",le="0.1",project="shop",version="7"} 6.0' in text
    assert 'touchline_predicted_probability_bucket{class="no",le="0.85",project="shop",version="7"} 0.0' in text
    assert 'touchline_request_rows_sum{project="shop",version="7"} 6.0' in text
    assert 'touchline_predictions_total{project="shop",variant="production",version="7"} 6.0' in text
