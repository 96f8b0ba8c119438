"""A row between the validated request and the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from touchline.features import FeatureRows, ViewStatus

Row = dict[str, Any]
Statuses = tuple[ViewStatus, ...]


class RequestContext(NamedTuple):
    """The values shared by all rows of one request."""

    request_id: str
    correlation_id: str | None
    now: datetime
    answered_at: datetime


def cutoffs_of(rows: Sequence[Row], context: RequestContext) -> list[datetime]:
    """The cutoff of each row of a request."""
    return [row["cutoff"] or context.now for row in rows]


@dataclass(slots=True)
class RolloutTags:
    """The columns that a rollout adds to a row's line in the log; `seconds` is the time that scoring took."""

    experiment: str | None
    salt: str | None
    variant: str
    unit: str | None
    probability: float
    override: bool = False
    role: str = "answer"
    seconds: float | None = None

    def columns(self) -> dict[str, Any]:
        """The values by column."""
        return {name: getattr(self, name) for name in self.__slots__}


def probe_tags() -> RolloutTags:
    """The tags of a request that asks which release answers."""
    return RolloutTags(None, None, "production", None, 1.0, role="probe")


@dataclass(slots=True)
class ScoredRow:
    """One row with its cutoff, vector, statuses and output; `vector` is float64, little endian.

    `tags` are None unless a rollout has assigned the row.
    """

    row: Row
    cutoff: datetime
    vector: bytes
    statuses: Statuses
    output: list[float]
    tags: RolloutTags | None = None


class FeatureReads(Protocol):
    """Reads what one release needs from the online store, in one round trip, and encodes it: `FeatureReader` fits."""

    def read(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> FeatureRows: ...

    def read_row(self, row: Mapping[str, Any], cutoff: datetime) -> tuple[bytes, tuple[ViewStatus, ...]]: ...
