"""The columns of a model, and whole columns of values as the vectors that are scored. NumPy only: serving imports this.

Single rows become vectors in `row_plan`; both give the same bits for the same values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from touchline.errors import FeatureNotANumber
from touchline.features.declaration.on_demand import CUTOFF, Transform, apply_transforms

Vectors = NDArray[np.float64]
_NAN = float("nan")
UNSEEN = -1.0  # a category that training never saw; a missing one is NaN


@dataclass(frozen=True)
class ColumnSpec:
    """One model column: its name, whether it holds numbers or categories, and where its value comes from.

    `origin` is "view:<name>", "input" or "on_demand".

    >>> ColumnSpec("league", "category", levels=("D1", "E0"), origin="input").code("E0")
    1.0
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[str, ...] = ()
    origin: str = "input"
    _codes: dict[str, float] = field(init=False, repr=False, compare=False, hash=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        self._codes.update({level: float(index) for index, level in enumerate(self.levels)})

    def code(self, value: object) -> float:
        """The number that stands for a value: null is NaN, an unseen category -1, an instant its seconds since 1970."""
        if value is None or value != value:
            return _NAN
        if self.kind == "category":
            return self._codes.get(str(value), UNSEEN)
        if isinstance(value, date):
            return _seconds(value)
        try:
            return float(value)  # type: ignore[arg-type]  # whatever float() refuses is reported below
        except (TypeError, ValueError, OverflowError) as wrong:
            raise FeatureNotANumber(self.name, value) from wrong

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "levels": list(self.levels), "origin": self.origin}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ColumnSpec:
        return cls(**document)

    @cached_property
    def view(self) -> str | None:
        """The view the column comes from, if it comes from one."""
        return self.origin.removeprefix("view:") if self.origin.startswith("view:") else None


def column_vectors(
    columns: Sequence[ColumnSpec], values: Mapping[str, Any], count: int, transforms: Sequence[Transform] = ()
) -> Vectors:
    """Whole columns (arrays, lists, anything NumPy takes) as vectors, float64 [count, columns], in model order.

    A column without values is missing in every row. On-demand columns are computed where transforms are given, from the
    values and from the cutoffs of the rows: `values` has them as "cutoff", in seconds since 1970.

    >>> column_vectors([ColumnSpec("gap", "number")], {"gap": [2, None]}, 2).tolist()
    [[2.0], [nan]]
    """
    given = [column for column in columns if not transforms or column.origin != "on_demand"]
    arrays = {column.name: _array(column, values.get(column.name), count) for column in given}
    cutoffs = {CUTOFF: values[CUTOFF]} if CUTOFF in values else {}
    arrays |= apply_transforms(transforms, {**arrays, **cutoffs}, count)
    vectors = np.full((count, len(columns)), _NAN)
    for place, column in enumerate(columns):
        if column.kind == "category":
            vectors[:, place] = [column.code(value) for value in arrays[column.name].tolist()]
        elif column.name in arrays:
            vectors[:, place] = arrays[column.name]
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


def _array(column: ColumnSpec, values: Any, count: int) -> NDArray[Any]:
    """Categories as objects (text or None), numbers as float64 with NaN for null."""
    if values is None:
        values = [None] * count
    array = np.asarray(values)
    if column.kind == "category":
        texts = [None if value is None or value != value else str(value) for value in array.tolist()]
        return np.array(texts, dtype=object)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64)
    if array.dtype.kind == "M":
        seconds: NDArray[Any] = array.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(array), _NAN, seconds)
    return np.array([column.code(value) for value in array.tolist()], dtype=np.float64)


def _seconds(value: date) -> float:
    """Seconds since 1970; a day begins in UTC, and so does an instant without a zone, as in training sets."""
    instant = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
    return instant.timestamp() if instant.tzinfo is not None else instant.replace(tzinfo=UTC).timestamp()
