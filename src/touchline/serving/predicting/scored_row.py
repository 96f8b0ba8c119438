"""A row on its way from a checked request to an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from touchline.features import ViewStatus

Row = dict[str, Any]
Statuses = tuple[ViewStatus, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is the same for all rows of one request."""

    request_id: str
    correlation_id: str | None
    now: datetime
    answered_at: datetime


@dataclass(slots=True)
class Scored:
    """One row and all that was found for it; `vector` is float64, little endian."""

    row: Row
    cutoff: datetime
    vector: bytes
    statuses: Statuses
    output: list[float]


@dataclass(slots=True)
class Answered:
    """The answer to one row, its line for the log, and how its views were found."""

    answer: dict[str, Any]
    line: bytes
    statuses: Statuses
