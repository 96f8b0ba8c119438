"""The columns of a model, and the one way a row becomes the vector that is scored. NumPy only: serving imports this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.errors import FeatureNotANumber

Vectors = NDArray[np.float64]
_NAN = float("nan")
UNSEEN = -1.0  # a category that training never saw; a missing one is NaN


@dataclass(frozen=True)
class ColumnSpec:
    """One model column: its name, whether it counts or names, and where its value comes from.

    `origin` is "view:<name>", "input" or "on_demand". `default` stands in for a missing value, if declared.

    >>> ColumnSpec("league", "category", levels=("D1", "E0"), origin="input").code("E0")
    1.0
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[str, ...] = ()
    origin: str = "input"
    default: float | None = None
    _codes: dict[str, float] = field(init=False, repr=False, compare=False, hash=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        self._codes.update({level: float(index) for index, level in enumerate(self.levels)})

    def code(self, value: object) -> float:
        """The number that stands for a value: null is NaN, an unseen category -1, an instant its seconds since 1970."""
        if value is None or value != value:
            return _NAN if self.default is None else self.default
        if self.kind == "category":
            return self._codes.get(str(value), UNSEEN)
        if isinstance(value, datetime):
            return value.timestamp()
        try:
            return float(value)  # type: ignore[arg-type]  # whatever float() refuses is reported below
        except (TypeError, ValueError) as wrong:
            raise FeatureNotANumber(self.name, value) from wrong

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "levels": list(self.levels),
            "origin": self.origin,
            "default": self.default,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ColumnSpec:
        return cls(**document)

    @cached_property
    def view(self) -> str | None:
        """The view the column comes from, if it comes from one."""
        return self.origin.removeprefix("view:") if self.origin.startswith("view:") else None


def encode(columns: Sequence[ColumnSpec], rows: Sequence[Mapping[str, Any]]) -> Vectors:
    """Rows as vectors, float64 [rows, columns], in model order. A name a row lacks is a missing value.

    >>> encode([ColumnSpec("gap", "number")], [{"gap": 2}, {}]).tolist()
    [[2.0], [nan]]
    """
    vectors = np.empty((len(rows), len(columns)), dtype=np.float64)
    for index, column in enumerate(columns):
        name = column.name
        vectors[:, index] = [column.code(row.get(name)) for row in rows]
    return vectors


def encode_columns(columns: Sequence[ColumnSpec], values: Mapping[str, Any], count: int) -> Vectors:
    """Whole columns (arrays, lists, anything NumPy takes) as vectors, float64 [count, columns], in model order."""
    vectors = np.empty((count, len(columns)), dtype=np.float64)
    for index, column in enumerate(columns):
        vectors[:, index] = _codes_of(column, values.get(column.name), count)
    return vectors


def decode(columns: Sequence[ColumnSpec], vectors: Vectors) -> list[dict[str, float | str | None]]:
    """Vectors as readable rows: NaN is None, a category its level, an unseen one None.

    >>> decode([ColumnSpec("league", "category", levels=("D1", "E0"))], np.array([[1.0]]))
    [{'league': 'E0'}]
    """
    return [{column.name: _value(column, code) for column, code in zip(columns, row, strict=True)} for row in vectors]


def _value(column: ColumnSpec, code: float) -> float | str | None:
    if np.isnan(code):
        return None
    if column.kind == "number":
        return float(code)
    return column.levels[int(code)] if 0 <= code < len(column.levels) else None


def _codes_of(column: ColumnSpec, values: Any, count: int) -> NDArray[np.float64]:
    if values is None:
        return np.full(count, column.code(None))
    array = np.asarray(values)
    if array.dtype.kind in "fiub" and column.kind == "number":
        numbers = array.astype(np.float64)
        return numbers if column.default is None else np.where(np.isnan(numbers), column.default, numbers)
    return np.fromiter((column.code(value) for value in array.tolist()), np.float64, count)
