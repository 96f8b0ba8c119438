"""What happened: outcomes by prediction or by example, append-only. A changed label is a new revision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from touchline.errors import UnknownPrediction
from touchline.storage import Database
from touchline.storage.tables import outcomes, predictions

Label = str | float | int | bool
Status = Literal["recorded", "unchanged", "corrected"]


@dataclass(frozen=True)
class Outcome:
    """A label for an example, named by its id or by a prediction of it."""

    label: Label
    example_id: str | None = None
    prediction_id: str | None = None
    label_timestamp: datetime | None = None


@dataclass(frozen=True)
class Receipt:
    """What became of one outcome. `predictions` counts the logged answers it settles."""

    example_id: str
    status: Status
    revision: int
    predictions: int


def record_outcomes(
    database: Database, project: str, received: Sequence[Outcome], *, source: str, now: datetime
) -> list[Receipt]:
    """Append outcomes, each once: the same label again changes nothing, another one is a correction.

    Raises `UnknownPrediction` for a prediction id that is not in the log, and records nothing.
    """
    with database.begin() as connection:
        ids = _example_ids(connection, project, received)
        known = newest_labels(connection, project, set(ids))
        receipts = []
        for outcome, example_id in zip(received, ids, strict=True):
            receipt, row = _settle(known.get(example_id), outcome, example_id, now)
            if row is not None:
                connection.execute(sa.insert(outcomes).values(project=project, source=source, received_at=now, **row))
                known[example_id] = (row["label"], row["revision"])
            receipts.append(receipt)
        counts = _prediction_counts(connection, project, set(ids))
    return [Receipt(r.example_id, r.status, r.revision, counts.get(r.example_id, 0)) for r in receipts]


def _settle(
    known: tuple[Any, int] | None, outcome: Outcome, example_id: str, now: datetime
) -> tuple[Receipt, dict[str, Any] | None]:
    if known is not None and same_label(known[0], outcome.label):
        return Receipt(example_id, "unchanged", known[1], 0), None
    revision = 1 if known is None else known[1] + 1
    row = {
        "example_id": example_id,
        "revision": revision,
        "label": outcome.label,
        "label_timestamp": outcome.label_timestamp or now,
    }
    return Receipt(example_id, "recorded" if known is None else "corrected", revision, 0), row


def same_label(one: Label, other: Label) -> bool:
    """Whether two labels say the same: numbers by value, all else by their text.

    >>> same_label(1, 1.0), same_label("home", "away")
    (True, False)
    """
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    return str(one) == str(other)


def newest_labels(connection: sa.Connection, project: str, example_ids: Iterable[str]) -> dict[str, tuple[Any, int]]:
    """Label and revision of each example that has an outcome."""
    found: dict[str, tuple[Any, int]] = {}
    for chunk in chunks(sorted(example_ids)):
        query = (
            sa.select(outcomes.c.example_id, outcomes.c.label, outcomes.c.revision)
            .where(outcomes.c.project == project, outcomes.c.example_id.in_(chunk))
            .order_by(outcomes.c.revision)
        )
        found |= {row.example_id: (row.label, row.revision) for row in connection.execute(query)}
    return found


def chunks(values: Sequence[str], size: int = 10_000) -> Iterable[Sequence[str]]:
    """Slices that fit the number of values a statement may bind."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _example_ids(connection: sa.Connection, project: str, received: Sequence[Outcome]) -> list[str]:
    wanted = {outcome.prediction_id for outcome in received if outcome.example_id is None and outcome.prediction_id}
    found: dict[str, str] = {}
    for chunk in chunks(sorted(wanted)):
        query = sa.select(predictions.c.prediction_id, predictions.c.example_id).where(
            predictions.c.project == project, predictions.c.prediction_id.in_(chunk)
        )
        # An answer about no known example is an example of its own, named by the answer.
        found |= {row.prediction_id: row.example_id or row.prediction_id for row in connection.execute(query)}
    unknown = sorted(wanted - found.keys())
    if unknown:
        raise UnknownPrediction(project, unknown)
    return [outcome.example_id or found[outcome.prediction_id or ""] for outcome in received]


def _prediction_counts(connection: sa.Connection, project: str, example_ids: set[str]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for chunk in chunks(sorted(example_ids)):
        query = (
            sa.select(predictions.c.example_id, sa.func.count())
            .where(predictions.c.project == project, predictions.c.example_id.in_(chunk))
            .group_by(predictions.c.example_id)
        )
        counts |= {row[0]: row[1] for row in connection.execute(query)}
        own = sa.select(predictions.c.prediction_id).where(
            predictions.c.project == project,
            predictions.c.prediction_id.in_(chunk),
            predictions.c.example_id.is_(None),
        )
        counts |= {row.prediction_id: 1 for row in connection.execute(own)}
    return counts
