"""Rows to vectors on the request path: the same numbers as `features.encode`, prepared once per release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from struct import Struct, error
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchline.features import ColumnSpec, encode
from touchline.features.declaration.on_demand import Transform, apply_transforms
from touchline.features.vectors.columns import Vectors

_NAN = float("nan")


class VectorPlan:
    """How rows of one release become vectors.

    >>> VectorPlan([ColumnSpec("gap", "number")]).encode([{"gap": 2}]).tolist()
    [[2.0]]
    """

    def __init__(self, columns: Sequence[ColumnSpec], transforms: Sequence[Transform] = ()) -> None:
        self.columns = tuple(columns)
        self._transforms = tuple(transforms)
        self._names = tuple(column.name for column in columns)
        self._pack = Struct(f"<{len(self._names)}d").pack
        self._special = [
            (index, column)
            for index, column in enumerate(columns)
            if column.kind == "category" or column.default is not None
        ]
        kinds = {column.name: column.kind for column in columns if column.origin != "on_demand"}
        taken = dict.fromkeys(name for transform in transforms for name in transform.inputs if name in kinds)
        self._transform_inputs = {name: object if kinds[name] == "category" else np.float64 for name in taken}

    def encode_one(self, values: Mapping[str, Any]) -> bytes:
        """One row as the float64 values of its columns, little endian; null is NaN."""
        if self._transforms:
            values = {**values, **{name: made[0] for name, made in self._added([values]).items()}}
        found: list[Any] = [values.get(name) for name in self._names]
        for index, column in self._special:
            found[index] = column.code(found[index])
        if None in found:
            found = [_NAN if value is None else value for value in found]
        try:
            return self._pack(*found)
        except error:  # an instant, or what is no number: said by `encode`
            return self.encode([values]).tobytes()

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Vectors:
        """Rows as vectors [rows, columns]; `FeatureNotANumber` names a column that cannot be read."""
        plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
        if self._transforms and plain:
            for name, made in self._added(plain).items():
                for row, value in zip(plain, made.tolist(), strict=True):
                    row[name] = value
        return encode(self.columns, plain)

    def _added(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
        inputs: dict[str, NDArray[Any]] = {
            name: np.array([_plain(row.get(name)) for row in rows], dtype=dtype)
            for name, dtype in self._transform_inputs.items()
        }
        return apply_transforms(self._transforms, inputs, len(rows))


def _plain(value: object) -> object:
    """Instants are seconds since 1970, as in training sets."""
    return value.timestamp() if isinstance(value, datetime) else value
