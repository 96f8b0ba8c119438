"""Rows of the prediction log, written as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from touchline.predictions.outcomes import ExampleLabel, OutcomeRecords
from touchline.predictions.settling import changed_labels
from touchline.storage import Database
from touchline.storage.tables import predictions

NOW = datetime(2024, 5, 1, tzinfo=UTC)


def a_row(prediction_id: str, **changes: Any) -> dict[str, Any]:
    """An answer of release "one" of the project "shop"."""
    return {
        "prediction_id": prediction_id,
        "request_id": "request",
        "project": "shop",
        "release_id": "one",
        "role": "answer",
        "variant": "production",
        "probability": 1.0,
        "override": False,
        "example_id": None,
        "entity_keys": {},
        "cutoff": NOW,
        "answered_at": NOW,
        "views": {},
        "inputs": {},
        "vector": np.array([1.0]).astype("<f8").tobytes(),
        "output": {"probabilities": {"yes": 0.75, "no": 0.25}},
        **changes,
    }


def write_rows(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as they are, those with the same fields in one statement: a statement for each costs a millisecond."""
    alike: dict[frozenset[str], list[dict[str, Any]]] = {}
    for row in rows:
        alike.setdefault(frozenset(row), []).append(row)
    with database.begin() as connection:
        for group in alike.values():
            connection.execute(predictions.insert(), group)


def check_changed_labels(database: Database) -> None:
    """Assert which labels of an ingest are the newest outcomes as they are: text, number, with and without a time."""
    records, later = OutcomeRecords(database, "shop"), NOW + timedelta(microseconds=1)
    stored = [ExampleLabel("e1", 'wörd "a"', NOW), ExampleLabel("e2", "no", NOW), ExampleLabel("e3", "no", NOW)]
    with database.begin() as connection:
        connection.exec_driver_sql(
            "SET TIME ZONE 'Asia/Tokyo'" if connection.dialect.name == "postgresql" else "SELECT 1"
        )
        records.add(connection, stored, source="test", now=NOW)
        records.add(connection, [ExampleLabel("e3", "yes", NOW)], source="test", now=NOW)
        for label, known_at, changed in (("no", NOW, ["e3"]), ("no", None, ["e3"]), ("no", later, ["e2", "e3"])):
            rows = [("e1", 'wörd "a"', NOW), ("e2", label, known_at), ("e3", label, known_at), ("unknown", "no", NOW)]
            frame = pl.DataFrame(rows, schema=["example_id", "label", "label_timestamp"], orient="row")
            found = changed_labels(connection, frame, [records.has], records)
            assert (sorted(found[0]), found[1]) == (changed, 3 - len(changed)), (found, label, known_at)
