"""The log and its outcomes on PostgreSQL, where texts, instants and JSON have rules of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tests.serving.builders import NOW, Ratings, a_match_release
from touchline.serving import replay_sample, settle_outcomes
from touchline.serving.predict import Predictor
from touchline.serving.prediction_log import PredictionLog, RowsRefused
from touchline.serving.scored import Ask
from touchline.serving.sink import DatabaseSink
from touchline.serving.ulids import Ulids
from touchline.storage import Database, open_objects
from touchline.storage.tables import predictions

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
    ask = Ask("request", "order-7", NOW, NOW)
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
    DatabaseSink(store).write(_lines("A"))
    assert _settle(store, None) == (1, 0, 0)
    DatabaseSink(store).write(_lines("A", "Z"))
    with store.connect() as connection:
        rows = connection.execute(sa.select(predictions).order_by(predictions.c.example_id)).mappings().all()
    assert [row["example_id"] for row in rows] == ["e1", "e1", None]
    assert [row["entity_keys"]["home_team"] for row in rows] == ["A", "A", "Z"]
    assert (rows[1]["cutoff"], rows[1]["correlation_id"], rows[1]["cluster"]) == (NOW, "order-7", "day")
    assert memoryview(rows[1]["vector"]).cast("d").tolist() == [1.0, 2.0]
    assert _settle(store, "yes") == (0, 1, 0)
    assert _settle(store, "yes") == (0, 0, 1)


def test_a_row_that_cannot_be_kept_is_told_from_an_absence(store: Database, tmp_path: Path) -> None:
    good, bad = _lines("A"), [_lines("A")[0].replace(b'"vector":"', b'"vector":"zz')]
    with pytest.raises(RowsRefused):
        DatabaseSink(store).write([*good, *bad])
    log = PredictionLog(tmp_path, DatabaseSink(store))
    log.start()
    for line in [*good, *bad]:
        log.record(line)
    log.stop()
    assert (log.status().written, log.status().refused, log.status().failure) == (1, 1, None)
    report = replay_sample(store, open_objects(str(tmp_path / "objects")), "shop")
    assert report.replayed == 1  # and its release is nowhere: told, not raised
