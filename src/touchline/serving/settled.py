"""What was said beside what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from touchline.storage import Database
from touchline.storage.tables import outcomes, predictions


@dataclass(frozen=True)
class SettledPrediction:
    """One logged answer and the newest label of its example; without an outcome the label is None."""

    prediction_id: str
    release_id: str
    example_id: str | None
    entity_keys: Mapping[str, str]
    cutoff: datetime
    answered_at: datetime
    output: Mapping[str, Any]
    label: Any
    label_timestamp: datetime | None
    revision: int | None

    @property
    def said(self) -> str:
        """The likeliest class and its probability, or the value.

        >>> said_of({"probabilities": {"home": 0.5, "away": 0.25, "draw": 0.25}})
        'home 0.50'
        """
        return said_of(self.output)


def said_of(output: Mapping[str, Any]) -> str:
    """An output in a word."""
    shares: Mapping[str, float] | None = output.get("probabilities")
    if shares is None:
        return f"{output.get('value'):.6g}"
    best = max(shares, key=lambda name: shares[name])
    return f"{best} {shares[best]:.2f}"


def read_settled(
    database: Database, project: str, *, limit: int = 20, only_settled: bool = False
) -> list[SettledPrediction]:
    """The newest answers of a project with what became of them."""
    key = sa.func.coalesce(predictions.c.example_id, predictions.c.prediction_id)
    later = outcomes.alias("later")
    is_newest = ~sa.exists().where(
        later.c.project == outcomes.c.project,
        later.c.example_id == outcomes.c.example_id,
        later.c.revision > outcomes.c.revision,
    )
    joined = sa.and_(outcomes.c.project == predictions.c.project, outcomes.c.example_id == key, is_newest)
    query = (
        sa.select(predictions, outcomes.c.label, outcomes.c.label_timestamp, outcomes.c.revision)
        .select_from(predictions.join(outcomes, joined, isouter=not only_settled))
        .where(predictions.c.project == project, predictions.c.role == "answer")
        .order_by(predictions.c.answered_at.desc(), predictions.c.prediction_id.desc())
        .limit(limit)
    )
    names = SettledPrediction.__dataclass_fields__
    with database.connect() as connection:
        return [
            SettledPrediction(**{name: row[name] for name in names}) for row in connection.execute(query).mappings()
        ]
