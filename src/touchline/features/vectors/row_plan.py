"""How packed values and raw inputs become model vectors, worked out once for each release."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from touchline.features.declaration.on_demand import Transform, apply_transforms
from touchline.features.vectors.columns import ColumnSpec, Vectors
from touchline.features.vectors.packed_columns import ColumnUnpacker
from touchline.features.vectors.served_view import ServedView

_NAN = float("nan")


class RowPlan:
    """Where each value goes. A row is built as a list in model order, many rows then become one array."""

    def __init__(
        self, views: Sequence[ServedView], columns: Sequence[ColumnSpec], transforms: Sequence[Transform]
    ) -> None:
        self._columns = tuple(columns)
        self._pack = struct.Struct(f"<{len(self._columns)}d").pack
        self._transforms = tuple(transforms)
        places = {column.name: place for place, column in enumerate(columns)}
        self._places = places
        self._features = [_view_plan(view, self._columns, places) for view in views]
        self._runs = [_run(plan) for plan in self._features]
        self.unpackers = [_unpacker(view, run) for view, run in zip(views, self._runs, strict=True)]
        served = {place for plan in self._features for _, place, _, _ in plan}
        computed = {place for place, column in enumerate(columns) if column.origin == "on_demand"}
        self._inputs = [
            (place, column) for place, column in enumerate(columns) if place not in served and place not in computed
        ]
        self._template: list[Any] = [_NAN] * len(columns)
        self._defaults = [(place, column.default) for place, column in enumerate(columns) if column.default is not None]

    def start(self, row: Mapping[str, Any]) -> list[Any]:
        """A row with its raw inputs, the views' columns still missing."""
        line = self._template.copy()
        for place, column in self._inputs:
            value = row.get(column.name)
            if value is not None:
                line[place] = column.code(value)
        return line

    def start_all(self, rows: Sequence[Mapping[str, Any]]) -> Vectors:
        """Many rows so, as one array: cheaper than a list a row where views are filled in together."""
        lines = np.full((len(rows), len(self._columns)), _NAN)
        for place, column in self._inputs:
            values = [row.get(column.name) for row in rows]
            lines[:, place] = [_NAN if value is None else column.code(value) for value in values]
        return lines

    def fill(self, line: list[Any] | NDArray[np.float64], view: int, values: Sequence[Any]) -> None:
        """Put one view's values into a row; a null among numbers becomes NaN when the rows become an array."""
        run = self._runs[view]
        if run is not None:
            taken, places = run
            line[places] = values[taken]
            return
        for index, place, kind, column in self._features[view]:
            value = values[index]
            if value is not None:
                line[place] = value if kind == 0 else value / 1e6 if kind == 1 else column.code(value)

    def vector(self, line: list[Any], row: Mapping[str, Any]) -> bytes:
        """One row as its float64 values, little endian: what `vectors` gives, without an array where none is needed."""
        if not self._transforms:
            for place, default in self._defaults:
                if line[place] is None or line[place] != line[place]:
                    line[place] = default
            with suppress(struct.error):  # a null among the numbers
                return self._pack(*line)
        return self.vectors([line], [row]).tobytes()

    def vectors(
        self,
        lines: Sequence[list[Any]] | Vectors,
        rows: Sequence[Mapping[str, Any]],
        blocks: Mapping[int, Vectors] | None = None,
    ) -> Vectors:
        """The rows as float64 [rows, columns], on-demand columns computed and defaults filled in.

        `blocks` are the values of views (by place) whose rows were unpacked together.
        """
        vectors: Vectors = np.array(lines, dtype=np.float64).reshape(len(lines), len(self._columns))
        for view, values in (blocks or {}).items():
            taken, places = self._runs[view] or (slice(0), slice(0))
            vectors[:, places] = values[:, taken]
        if self._transforms:
            for name, numbers in self._transformed(vectors, rows).items():
                if name in self._places:
                    vectors[:, self._places[name]] = numbers
        for place, default in self._defaults:
            column = vectors[:, place]
            column[np.isnan(column)] = default
        return vectors

    def _transformed(self, vectors: Vectors, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
        inputs = {name: None for step in self._transforms for name in step.inputs}
        arrays = {name: self._input(name, vectors, rows) for name in inputs if name in self._places}
        return apply_transforms(self._transforms, arrays, len(rows))

    def _input(self, name: str, vectors: Vectors, rows: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
        """A model column as a transform sees it: numbers as they are, categories as text."""
        place = self._places[name]
        column = self._columns[place]
        if column.kind == "number":
            return vectors[:, place]
        if column.origin == "input":
            return np.array([row.get(name) for row in rows], dtype=object)
        levels = column.levels
        return np.array([levels[int(code)] if code >= 0 else None for code in vectors[:, place]], dtype=object)


def _view_plan(
    view: ServedView, columns: Sequence[ColumnSpec], places: Mapping[str, int]
) -> list[tuple[int, int, int, ColumnSpec]]:
    """For each feature that the model uses: its index, its column, and how it is converted.

    0: the value is the number, 1: microseconds, 2: through the column (a category).
    """
    plan = []
    for index, (name, kind) in enumerate(view.features):
        place = places.get(view.column(name))
        if place is not None:
            conversion = 2 if columns[place].kind == "category" else 1 if kind == "timestamp" else 0
            plan.append((index, place, conversion, columns[place]))
    return plan


def _unpacker(view: ServedView, run: tuple[slice, slice] | None) -> ColumnUnpacker | None:
    """What unpacks many rows of a view together, where they hold plain numbers only."""
    unpacker = ColumnUnpacker(view.layout)
    return unpacker if run is not None and unpacker.is_usable else None


def _run(plan: Sequence[tuple[int, int, int, ColumnSpec]]) -> tuple[slice, slice] | None:
    """Where plain numbers lie side by side in the packed row and in the vector, the two places; else None."""
    if not plan or any(conversion for _, _, conversion, _ in plan):
        return None
    first, place = plan[0][:2]
    if any((index - first, at - place) != (step, step) for step, (index, at, _, _) in enumerate(plan)):
        return None
    return slice(first, first + len(plan)), slice(place, place + len(plan))
