"""What was predicted and what happened, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from touchline.predictions.outcomes import chunks
from touchline.storage import Database
from touchline.storage.tables import outcomes, predictions


@dataclass(frozen=True)
class SettledPrediction:
    """One logged answer with the newest revision of its outcome; `label` is None while it is open."""

    prediction_id: str
    example_id: str | None
    entity_keys: Mapping[str, str]
    answered_at: datetime
    cutoff: datetime
    output: Mapping[str, Any]
    label: Any
    label_timestamp: datetime | None
    revision: int | None

    @property
    def said(self) -> str:
        """The answer in short: the likeliest class with its probability, or the value."""
        probabilities = self.output.get("probabilities")
        if not probabilities:
            return f"{self.output.get('value', float('nan')):.4g}"
        best = max(probabilities, key=probabilities.__getitem__)
        return f"{best} {probabilities[best]:.2f}"


def read_settled(database: Database, project: str, *, limit: int = 20) -> list[SettledPrediction]:
    """The newest answers of a project, newest first, each with its outcome if it is known."""
    query = (
        sa.select(predictions)
        .where(predictions.c.project == project, predictions.c.role == "answer")
        .order_by(predictions.c.prediction_id.desc())
        .limit(limit)
    )
    with database.connect() as connection:
        rows = connection.execute(query).all()
        known: dict[str, Any] = {}
        for chunk in chunks(sorted({row.example_id or row.prediction_id for row in rows})):
            newest_last = (
                sa.select(outcomes)
                .where(outcomes.c.project == project, outcomes.c.example_id.in_(chunk))
                .order_by(outcomes.c.revision)
            )
            known |= {found.example_id: found for found in connection.execute(newest_last)}
    return [_settled(row, known.get(row.example_id or row.prediction_id)) for row in rows]


def _settled(row: Any, outcome: Any) -> SettledPrediction:
    return SettledPrediction(
        prediction_id=row.prediction_id,
        example_id=row.example_id,
        entity_keys=row.entity_keys,
        answered_at=row.answered_at,
        cutoff=row.cutoff,
        output=row.output,
        label=outcome.label if outcome else None,
        label_timestamp=outcome.label_timestamp if outcome else None,
        revision=outcome.revision if outcome else None,
    )
