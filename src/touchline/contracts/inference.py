"""What an inferred table looks like: its columns, key, time, target, and what a person should know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from touchline.contracts.fields import Kind
from touchline.contracts.leakage import SuspectedLeak
from touchline.contracts.table_times import Cycle, TimeParts

TaskType = Literal["classification", "regression"]
Identity = Literal["row", "repeated"]
"""A column that identifies instead of describing: each row, or the one that several rows are about."""


@dataclass(frozen=True)
class InferredField:
    """One column: its name in the contract, its spelling in the file, and what its values look like."""

    name: str
    column: str
    kind: Kind
    nullable: bool
    nulls: int
    distinct: int
    least: str | None
    most: str | None
    is_negative: bool
    levels: tuple[str | int, ...]
    formats: tuple[str, ...]
    identity: Identity | None = None


@dataclass(frozen=True)
class Inference:
    """All that `touchline init` knows about a table.

    `key` is the row number (`row_number` is True) when no column identifies a row. `ambiguous_dates` are columns whose
    days and months could be the other way round. `null_values` are spellings of null beside the usual ones.
    `time_parts` are columns that make up the event time together; `cycles` are those that the time goes through, and
    `days` how many days have rows (0 without a time).
    """

    contract_name: str
    rows: int
    fields: tuple[InferredField, ...]
    rename: dict[str, str]
    key: tuple[str, ...]
    row_number: bool
    event_time: str | None
    time_parts: TimeParts | None
    cycles: tuple[Cycle, ...]
    days: int
    target: str | None
    task: Literal["binary", "multiclass", "regression"] | None
    classes: tuple[str | int | bool, ...]
    leaks: tuple[SuspectedLeak, ...]
    ambiguous_dates: tuple[str, ...]
    null_values: tuple[str, ...]
    notes: tuple[str, ...]
    positive_share: float | None

    def field(self, name: str) -> InferredField:
        """The field of that contract name."""
        return next(field for field in self.fields if field.name == name)
