"""The rows that reads of the prediction log give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoredExample:
    """The vector and the output of one logged prediction. `vector` holds float64 numbers, little endian."""

    prediction_id: str
    example_id: str | None
    cluster: str | None
    cutoff: datetime
    vector: bytes
    output: Mapping[str, Any]

    @property
    def example_key(self) -> str:
        """The id under which outcomes are stored. A prediction without an example is an example of its own."""
        return example_key(self.example_id, self.prediction_id)

    @property
    def numbers(self) -> NDArray[np.float64]:
        return np.frombuffer(self.vector, dtype="<f8")


@dataclass(frozen=True)
class PredictionRecord(ScoredExample):
    """One row of the prediction log."""

    example_source: str | None
    request_id: str
    project: str
    release_id: str
    role: str
    experiment: str | None
    salt: str | None
    variant: str
    probability: float
    override: bool
    unit: str | None
    entity_keys: Mapping[str, str]
    answered_at: datetime
    views: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, Any]
    threshold: float | None
    correlation_id: str | None
    answer_id: str | None
    seconds: float | None


class LogCounts(NamedTuple):
    """The number of logged predictions, and the instant of the newest one."""

    predictions: int
    last_answered_at: datetime | None


class ReleaseRows(NamedTuple):
    """The newest predictions of a release, oldest first, and how many there are in all."""

    rows: Sequence[ScoredExample]
    total: int


@dataclass(frozen=True)
class Sample:
    """Which logged predictions to read: so many at random (None: all), of one release, answered since an instant."""

    rows: int | None = 10_000
    since: datetime | None = None
    release_id: str | None = None
    seed: int = 0


class PairedPrediction(NamedTuple):
    """An answer and what the other variant of a rollout predicted for the same row."""

    prediction_id: str
    example_key: str
    cluster: str | None
    cutoff: datetime
    answered_at: datetime
    answer: Mapping[str, Any]
    shadow: Mapping[str, Any]


class AssignedPrediction(NamedTuple):
    """An answer to a unit of a split; `shadow` is what the other variant predicted, if it did."""

    prediction_id: str
    example_key: str
    cluster: str | None
    cutoff: datetime
    answered_at: datetime
    unit: str
    variant: str
    probability: float
    answer: Mapping[str, Any]
    shadow: Mapping[str, Any] | None


class VariantCount(NamedTuple):
    """Rows of one variant and role of an experiment, and how many of them took longer than a limit."""

    variant: str
    role: str
    rows: int
    slow: int


class CommonestFailure(NamedTuple):
    """The commonest error among the newest failures of a variant: `rows` of `failures`, the newest with that id."""

    error: str
    rows: int
    failures: int
    prediction_id: str


class Draw(NamedTuple):
    """The draw of a unit in a split; `probability` is the chance that it gets its variant."""

    unit: str
    variant: str
    probability: float

    @property
    def share(self) -> float:
        """The chance that the unit would get the candidate."""
        share = self.probability if self.variant == "candidate" else 1 - self.probability
        return round(share, 9)  # 1 - 0.9 is the share 0.1


def example_key(example_id: str | None, prediction_id: str) -> str:
    """The id under which the outcome of a prediction is stored.

    >>> example_key("match-7", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), example_key(None, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    ('match-7', '01ARZ3NDEKTSV4RRFFQ69G5FAV')
    """
    return example_id or prediction_id
