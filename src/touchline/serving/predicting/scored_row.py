"""A row between the validated request and the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from touchline.features import FeatureRows, ViewStatus

Row = dict[str, Any]
Statuses = tuple[ViewStatus, ...]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The values shared by all rows of one request."""

    request_id: str
    correlation_id: str | None
    now: datetime
    answered_at: datetime


@dataclass(slots=True)
class ScoredRow:
    """One row with its cutoff, vector, statuses and output; `vector` is float64, little endian."""

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


class FeatureReads(Protocol):
    """Reads what one release needs from the online store, in one round trip, and encodes it: `FeatureReader` fits."""

    def read(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> FeatureRows: ...

    def read_row(self, row: Mapping[str, Any], cutoff: datetime) -> tuple[bytes, tuple[ViewStatus, ...]]: ...
