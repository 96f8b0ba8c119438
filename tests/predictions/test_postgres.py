"""The log and its outcomes on PostgreSQL, where texts, instants and JSON have rules of their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import polars as pl
import pytest
import sqlalchemy as sa

from tests.predictions.builders import check_changed_labels
from tests.serving.builders import NOW, Ratings, a_match_release
from tests.stores import SomeStores
from touchline.predictions import (
    OpenExample,
    OpenExampleRecords,
    Sample,
    prune_predictions,
    replay_sample,
    settle_outcomes,
)
from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.drain_processes import DrainThread
from touchline.predictions.partitions import drop_empty_months
from touchline.predictions.spool_drain import RowsRefused
from touchline.predictions.writer import PredictionLog
from touchline.registry import Releases
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext, RolloutTags
from touchline.serving.shadow.shadow_writer import ShadowWriter
from touchline.serving.shadow.waiting_row import waiting_line
from touchline.storage import Database, open_objects
from touchline.storage.tables import predictions
from touchline.storage.ulids import Ulids, first_ulid_letters

pytestmark = pytest.mark.services


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    database = Database.open(postgres_url)
    database.migrate()
    yield database
    database.close()


def _lines(*teams: str) -> list[bytes]:
    predictor = Predictor(a_match_release(), Ratings({"A": 1.0, "B": 2.0}))
    rows = [dict.fromkeys(("cutoff", "example_id", "features")) | {"home_team": t, "away_team": "B"} for t in teams]
    ask = RequestContext("request", "order-7", NOW, NOW)
    return [answered.line for answered in predictor.answer(rows, ask, Ulids().next)]


def _examples(label: str | None) -> pl.DataFrame:
    stamp = pl.Datetime("us", "UTC")
    row = {"example_id": "e1", "home_team": "A", "away_team": "B", "cutoff": NOW, "label": label, "cluster": "day"}
    row["label_timestamp"] = NOW + timedelta(hours=2)
    return pl.DataFrame([row], schema_overrides={"cutoff": stamp, "label_timestamp": stamp, "label": pl.String})


def _settle(store: Database, label: str | None) -> tuple[int, int, int]:
    later = NOW + timedelta(days=1)
    done = settle_outcomes(store, "shop", _examples(label), entity_columns=["home_team", "away_team"], now=later)
    return (done.named, done.settled, done.unchanged)


def test_rows_are_kept_whole_and_find_their_example_before_and_after(store: Database) -> None:
    with store.begin() as connection:
        OpenExampleRecords(store, "shop").replace(connection, [], now=NOW)
    DatabaseWriter(store).write(_lines("A"))
    assert _settle(store, None) == (1, 0, 0)
    DatabaseWriter(store).write(_lines("A", "Z"))
    with store.connect() as connection:
        rows = connection.execute(sa.select(predictions).order_by(predictions.c.example_id)).mappings().all()
    assert [row["example_id"] for row in rows] == ["e1", "e1", None]
    assert [row["entity_keys"]["home_team"] for row in rows] == ["A", "A", "Z"]
    assert (rows[1]["cutoff"], rows[1]["correlation_id"], rows[1]["cluster"]) == (NOW, "order-7", "day")
    assert memoryview(rows[1]["vector"]).cast("d").tolist() == [1.0, 2.0]
    assert _settle(store, "yes") == (0, 1, 0)
    assert _settle(store, "yes") == (0, 0, 1)


def test_labels_that_are_stored_as_they_are_are_not_read(store: Database) -> None:
    check_changed_labels(store)


def test_an_answer_that_waits_for_a_shadow_and_the_prediction_beside_it_are_two_rows(store: Database) -> None:
    predictor, (line,) = Predictor(a_match_release(2), None), _lines("A")
    tags = RolloutTags("e1", "s", "candidate", None, 1.0, role="shadow")
    waiting = waiting_line(line, predictor.lines.start(tags), Ulids().next())
    log = DatabaseWriter(store)
    log.write([waiting])
    for _ in range(2):  # the second time as after a kill
        ShadowWriter("shop", {predictor.release.id: predictor}.__getitem__, log).write([waiting])
    with store.connect() as connection:
        answer, beside = connection.execute(sa.select(predictions).order_by(predictions.c.role)).all()
    assert (answer.role, answer.experiment, beside.role, beside.experiment) == ("answer", None, "shadow", "e1")
    assert (beside.answer_id, beside.release_id) == (answer.prediction_id, predictor.release.id)
    assert (beside.vector, beside.entity_keys, beside.cutoff) == (answer.vector, answer.entity_keys, answer.cutoff)


def test_a_row_finds_an_example_only_if_that_was_open_at_its_cutoff(store: Database) -> None:
    keys = {"away_team": "B", "home_team": "A"}
    example = OpenExample("e1", NOW + timedelta(days=9), keys)
    for instant, examples in ((NOW, []), (NOW + timedelta(days=3), [example])):
        with store.begin() as connection:
            OpenExampleRecords(store, "shop").replace(connection, examples, now=instant)
    (line,) = _lines("A")
    cutoffs = [NOW - timedelta(days=900), NOW - timedelta(seconds=1), NOW, NOW + timedelta(days=5)]
    lines = []
    for number, cutoff in enumerate(cutoffs):
        row = orjson.loads(line)
        row |= {"prediction_id": f"{number}{row['prediction_id']}", "cutoff": cutoff.isoformat()}
        lines.append(orjson.dumps(row))
    DatabaseWriter(store).write(lines)
    with store.connect() as connection:
        rows = connection.scalars(sa.select(predictions.c.example_id).order_by(predictions.c.prediction_id)).all()
    assert rows == [None, None, "e1", "e1"]


def test_a_row_finds_the_only_open_example_with_its_inputs(store: Database) -> None:
    examples = [
        OpenExample(f"e{n}", NOW, {"away_team": "B", "home_team": "A"}, None, {"odds": odds, "round": 1})
        for n, odds in enumerate((1.5, 2.0))
    ]
    with store.begin() as connection:
        OpenExampleRecords(store, "shop").replace(connection, examples, now=NOW)
    (line,) = _lines("A")
    assert line.count(b'"inputs":{}') == 1
    inputs = [b"{}", b'{"odds":2}', b'{"odds":3}', b'{"odds":1.5,"other":true}']
    lines = [
        line.replace(b'"inputs":{}', b'"inputs":' + given).replace(b'"prediction_id":"', b'"prediction_id":"%d' % n)
        for n, given in enumerate(inputs)
    ]
    DatabaseWriter(store).write(lines)
    with store.connect() as connection:
        query = sa.select(predictions.c.example_id, predictions.c.example_source).order_by(predictions.c.prediction_id)
        rows = connection.execute(query).all()
    assert [tuple(row) for row in rows] == [(None, None), ("e1", "entity"), (None, None), ("e0", "entity")]


def test_a_row_that_cannot_be_kept_is_told_from_an_absence(store: Database, tmp_path: Path) -> None:
    good, bad = _lines("A"), [_lines("A")[0].replace(b'"vector":"', b'"vector":"zz')]
    with pytest.raises(RowsRefused):
        DatabaseWriter(store).write([*good, *bad])
    log = PredictionLog(tmp_path, DrainThread(tmp_path, DatabaseWriter(store)))
    log.start()
    for line in [*good, *bad]:
        log.record(line)
    log.stop()
    assert (log.status().written, log.status().refused, log.status().failure) == (1, 1, None)
    stores = SomeStores(store, open_objects(str(tmp_path / "objects")))
    report = replay_sample(stores, "shop", Sample(), open_release=Releases(stores).open)
    assert report.replayed == 1  # and its release is nowhere: told, not raised


def _partitions(store: Database) -> dict[str, int]:
    query = "SELECT tableoid::regclass::text, count(*) FROM predictions GROUP BY 1 ORDER BY 1"
    with store.connect() as connection:
        return {str(name): int(rows) for name, rows in connection.exec_driver_sql(query)}


def _dated(line: bytes, at: datetime) -> bytes:
    """The line under an id of that time, answered then."""
    found = orjson.loads(line)
    found["prediction_id"] = first_ulid_letters(at) + found["prediction_id"][10:]
    found["answered_at"] = at.isoformat()
    return orjson.dumps(found)


def test_each_month_lies_in_its_own_partition_and_leaves_as_one(store: Database, tmp_path: Path) -> None:
    march, april = datetime(2031, 3, 31, 23, 59, 59, tzinfo=UTC), datetime(2031, 4, 1, tzinfo=UTC)
    lines = [_dated(_lines("A")[0], at) for at in (march, march, april)]
    for _ in range(2):  # written again, as after a kill: nothing changes
        DatabaseWriter(store).write(lines)
    strange = orjson.dumps({**orjson.loads(lines[0]), "prediction_id": "not-one-of-ours"})
    DatabaseWriter(store).write([strange])
    assert _partitions(store) == {"predictions_2031_03": 2, "predictions_2031_04": 1, "predictions_other": 1}
    ours = orjson.loads(lines[2])["prediction_id"]
    with store.connect() as connection:
        plan = connection.execute(sa.text("EXPLAIN SELECT 1 FROM predictions WHERE prediction_id = :id"), {"id": ours})
        asked = "\n".join(plan.scalars())
    assert "predictions_2031_04" in asked
    assert "predictions_2031_03" not in asked
    objects = open_objects(str(tmp_path / "objects"))
    done = prune_predictions(store, objects, "shop", until=april)
    assert done.deleted == 3
    assert _partitions(store) == {"predictions_2031_04": 1}
    with store.connect() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('predictions_2031_03')").scalar() is None
        assert connection.exec_driver_sql("SELECT to_regclass('predictions_2031_04')").scalar() is not None
    DatabaseWriter(store).write(lines[:1])  # a spool that comes late: the month is made again
    assert _partitions(store) == {"predictions_2031_03": 1, "predictions_2031_04": 1}


def test_a_month_whose_rows_lie_in_the_default_partition_stays_there(
    store: Database, caplog: pytest.LogCaptureFixture
) -> None:
    may = datetime(2033, 5, 5, tzinfo=UTC)
    first, second = (_dated(line, may) for line in _lines("A", "B"))
    sink = DatabaseWriter(store)
    sink.write([first])
    with store.begin() as connection:
        connection.execute(sa.delete(predictions))
    assert drop_empty_months(store, before=datetime(2033, 7, 1, tzinfo=UTC)) == ["predictions_2033_05"]
    sink.write([first])  # it knows the month as made
    DatabaseWriter(store).write([second])  # a worker that does not, and cannot make it any more
    assert _partitions(store) == {"predictions_other": 2}
    assert "no partition predictions_2033_05" in caplog.text


def test_workers_that_need_a_month_at_once_make_it_once(store: Database) -> None:
    at = datetime(2032, 5, 5, tzinfo=UTC)
    batches = [[_dated(line, at)] for line in _lines("A", "B", "A", "B")]
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda lines: DatabaseWriter(store).write(lines), batches))
    assert _partitions(store) == {"predictions_2032_05": 4}
