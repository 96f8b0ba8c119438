"""The prediction log is read in one place, and rows of a shadow version count only where a caller names them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.predictions.builders import NOW, a_row, write_rows
from touchline.errors import UnknownPrediction
from touchline.predictions import (
    EVERY_ROLE,
    Outcome,
    OutcomeRecords,
    PredictionRecords,
    Sample,
    read_settled,
    settle_outcomes,
)
from touchline.predictions.records import PredictedExamples
from touchline.storage import Database
from touchline.storage.tables import outcomes

TEAM = {"team": "A"}
ANSWERS = [a_row("1", example_id="e1"), a_row("3", entity_keys=TEAM), a_row("5", example_id="e3")]
SHADOWS = [
    a_row("2", example_id="e1", role="shadow", answered_at=NOW + timedelta(seconds=1)),
    a_row("4", entity_keys=TEAM, role="shadow"),
    a_row("6", example_id="e2", role="shadow"),
]

Read = Callable[[Any, dict[str, Any]], Any]


def _ids(rows: Sequence[Any]) -> list[str]:
    return [row.prediction_id for row in rows]


def _find(records: PredictionRecords, roles: dict[str, Any]) -> str:
    try:
        return records.find("2", **roles).prediction_id
    except UnknownPrediction:
        return "unknown"


def _keys(examples: PredictedExamples, roles: dict[str, Any]) -> Any:
    try:
        return examples.keys(["1", "2"], **roles)
    except UnknownPrediction as unknown:
        return unknown.prediction_ids


def _has_unnamed(examples: PredictedExamples, roles: dict[str, Any]) -> bool:
    condition = examples.has_unnamed(sa.literal("4"), **roles)
    return bool(examples._connection.scalar(sa.select(sa.literal(1)).where(condition)))


def _has(examples: PredictedExamples, roles: dict[str, Any]) -> bool:
    condition = examples.has(sa.literal("e2"), **roles)
    return bool(examples._connection.scalar(sa.select(sa.literal(1)).where(condition)))


LOG_READS: dict[str, Read] = {
    "find": _find,
    "read": lambda records, roles: _ids(records.read("123456", **roles)),
    "newest": lambda records, roles: _ids(records.newest(2, **roles)),
    "sample": lambda records, roles: records.sample(Sample(2), **roles),
    "of_release": lambda records, roles: _ids(records.of_release("one", until="9", limit=2, **roles).rows),
    "newest_of_release": lambda records, roles: _ids(records.newest_of_release("one", until="9", limit=2, **roles)),
    "counts": lambda records, roles: records.counts(**roles),
    "answered_examples": lambda records, roles: records.answered_examples(["e1", "e2"], release_id=None, **roles),
    "batches": lambda records, roles: [
        _ids(batch) for batch in records.batches(since=None, until=NOW + timedelta(days=1), **roles)
    ],
}
EXAMPLE_READS: dict[str, Read] = {
    "keys": _keys,
    "counts": lambda examples, roles: examples.counts(["e1", "e2", "4"], **roles),
    "newest_cutoffs": lambda examples, roles: examples.newest_cutoffs(["e1", "e2", "4"], **roles),
    "unnamed": lambda examples, roles: sorted(examples.unnamed(['{"team":"A"}'], **roles)),
    "has": _has,
    "has_unnamed": _has_unnamed,
}


def _results(database: Database, read: Read, kind: type, **roles: Any) -> Any:
    if kind is PredictionRecords:
        return read(PredictionRecords(database, "shop"), roles)
    with database.connect() as connection:
        return read(PredictedExamples(connection, "shop"), roles)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(PredictionRecords, name) for name in LOG_READS] + [(PredictedExamples, name) for name in EXAMPLE_READS],
)
def test_rows_of_a_shadow_version_change_no_read_that_does_not_ask_for_them(
    database: Database, kind: type, name: str
) -> None:
    read = (LOG_READS if kind is PredictionRecords else EXAMPLE_READS)[name]
    write_rows(database, ANSWERS)
    without = _results(database, read, kind)
    write_rows(database, SHADOWS)
    assert _results(database, read, kind) == without
    assert _results(database, read, kind, roles=EVERY_ROLE) != without


def test_every_public_read_takes_roles_and_answers_are_the_default() -> None:
    for kind, reads, writes in (
        (PredictionRecords, LOG_READS, {"delete"}),
        (PredictedExamples, EXAMPLE_READS, {"name"}),
    ):
        methods = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
        assert methods - writes == set(reads)
        for name in reads:
            assert inspect.signature(getattr(kind, name)).parameters["roles"].default == ("answer",)


def test_batches_are_of_one_release_and_of_cutoffs_where_these_are_given(database: Database) -> None:
    days = [NOW + timedelta(days=day) for day in range(3)]
    rows = [
        a_row(f"{release}{day}", release_id=release, cutoff=cutoff)
        for release in ("a", "b")
        for day, cutoff in enumerate(days)
    ]
    write_rows(database, rows)
    records, until = PredictionRecords(database, "shop"), NOW + timedelta(days=9)
    found = records.batches(since=None, until=until, release_ids=["a"], cutoffs=(days[1], days[2]))
    assert [row.prediction_id for batch in found for row in batch] == ["a1"]
    found = records.batches(since=None, until=until, release_ids=["b"], cutoffs=(None, days[1]))
    assert [row.prediction_id for batch in found for row in batch] == ["b0"]


def test_the_rows_of_releases_are_found_without_reading_the_log_of_the_others(database: Database) -> None:
    write_rows(database, [a_row("a0", release_id="a"), a_row("b0", release_id="b")])
    statements: list[tuple[str, Any]] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *seen: statements.append((seen[2], seen[3])))
    records = PredictionRecords(database, "shop")
    for release_ids in (["a"], ["a", "b"]):
        statements.clear()
        found = records.batches(since=None, until=NOW + timedelta(days=9), release_ids=release_ids)
        assert [row.prediction_id for batch in found for row in batch] == [f"{release}0" for release in release_ids]
        statement, values = next(one for one in statements if "FROM predictions" in one[0])
        with database.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        assert "ix_predictions_release_id_prediction_id (release_id=?" in str(plan)


def test_outcomes_and_their_receipts_count_answers_alone(database: Database) -> None:
    write_rows(database, [*ANSWERS, *SHADOWS])
    records = OutcomeRecords(database, "shop")
    assert records.record([Outcome("yes", example_id="e1")], source="test", now=NOW)[0].predictions == 1
    with pytest.raises(UnknownPrediction, match="log of shop has no '2'"):
        records.record([Outcome("yes", prediction_id="2")], source="test", now=NOW)
    assert [one.prediction_id for one in read_settled(database, "shop")] == ["5", "3", "1"]


def test_a_project_sees_its_own_predictions(database: Database) -> None:
    write_rows(database, [*ANSWERS, a_row("7", project="leads", example_id="e1")])
    shop = PredictionRecords(database, "shop")
    assert shop.counts().predictions == 3
    assert _ids(shop.read(["1", "7"])) == ["1"]
    shop.delete(["1", "7"])
    assert PredictionRecords(database, None).counts().predictions == 3
    assert PredictionRecords(database, "leads").find("7").example_key == "e1"


def test_an_outcome_is_stored_under_the_example_else_under_the_prediction(database: Database) -> None:
    write_rows(database, ANSWERS)
    received = [Outcome("yes", prediction_id="1"), Outcome("no", prediction_id="3")]
    receipts = OutcomeRecords(database, "shop").record(received, source="test", now=NOW)
    assert [(one.example_id, one.predictions) for one in receipts] == [("e1", 1), ("3", 1)]
    assert {one.prediction_id: one.label for one in read_settled(database, "shop")} == {
        "1": "yes",
        "3": "no",
        "5": None,
    }


LABELS = st.lists(st.tuples(st.sampled_from(["http", "ingest"]), st.sampled_from(["yes", "no", 1, 1.0, 2])), max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LABELS)
def test_http_and_ingest_store_labels_by_one_rule(database: Database, labels: list[tuple[str, Any]]) -> None:
    project = f"project-{next(_NUMBERS)}"
    write_rows(database, [a_row(project, project=project, example_id="e1")])
    expected: list[Any] = []
    for source, label in labels:
        status = "recorded" if not expected else "unchanged" if expected[-1] == label else "corrected"
        if status != "unchanged":
            expected.append(label)
        assert (_record if source == "http" else _settle)(database, project, label) == status
    query = sa.select(outcomes.c.revision, outcomes.c.label).where(outcomes.c.project == project)
    with database.connect() as connection:
        stored = connection.execute(query.order_by(outcomes.c.revision)).all()
    assert [tuple(row) for row in stored] == list(enumerate(expected, start=1))


_NUMBERS = count()


def _record(database: Database, project: str, label: Any) -> str:
    return OutcomeRecords(database, project).record([Outcome(label, example_id="e1")], source="http", now=NOW)[0].status


def _settle(database: Database, project: str, label: Any) -> str:
    instant = pl.Datetime("us", "UTC")
    row = {"example_id": "e1", "cutoff": NOW, "label": label, "label_timestamp": NOW}
    frame = pl.DataFrame([row], schema_overrides={"cutoff": instant, "label_timestamp": instant})
    settled = settle_outcomes(database, project, frame, entity_columns=[], now=NOW)
    counts = {"recorded": settled.settled, "corrected": settled.corrected, "unchanged": settled.unchanged}
    [status] = [status for status, number in counts.items() if number == 1]
    return status
