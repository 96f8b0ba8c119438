"""Rows of the prediction log, written as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

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
