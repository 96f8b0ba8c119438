"""The plan that turns request rows and packed values into model vectors, computed once per release.

Gives the same bits as `column_vectors`, which training uses, and shares no code with it but `ColumnSpec.code` and the
transforms: each is checked against the other.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from touchline.features.declaration.on_demand import CUTOFF, Transform, apply_transforms
from touchline.features.vectors.columns import ColumnSpec, Vectors
from touchline.features.vectors.packed_columns import ColumnUnpacker
from touchline.features.vectors.served_view import ServedView
from touchline.features.vectors.watermark import micros

_NAN = float("nan")
Line = list[Any]
"""A row under way: its values in model order, then the texts of the categories that transforms read."""


class _Feature(NamedTuple):
    """A feature of a view that the model uses: where it lies in the packed row, and where it goes in the line."""

    position: int
    place: int
    column: ColumnSpec
    is_instant: bool
    text_place: int | None


class RowPlan:
    """The plan from rows to vectors: all columns by value, or those of `views` from packed rows.

    >>> at = datetime.fromisoformat("2024-05-01T00:00:00Z")
    >>> RowPlan([ColumnSpec("gap", "number")]).vectors([{"gap": 2}, {}], [at, at]).tolist()
    [[2.0], [nan]]
    """

    def __init__(
        self, columns: Sequence[ColumnSpec], transforms: Sequence[Transform] = (), views: Sequence[ServedView] = ()
    ) -> None:
        self._columns = tuple(columns)
        self._transforms = tuple(transforms)
        self._pack = struct.Struct(f"<{len(self._columns)}d").pack
        self._places = {column.name: place for place, column in enumerate(columns)}
        self._transform_inputs = self._inputs_of_transforms()
        self._takes_cutoff = any(CUTOFF in transform.inputs for transform in self._transforms)
        texts = [name for name in self._transform_inputs if self._columns[self._places[name]].kind == "category"]
        self._text_places = {name: len(self._columns) + number for number, name in enumerate(texts)}
        self._features = [self._features_of(view) for view in views]
        self._runs = [_run(features) for features in self._features]
        self.unpackers = [_unpacker(view, run) for view, run in zip(views, self._runs, strict=True)]
        stored = {feature.place for features in self._features for feature in features}
        given = [
            (place, column)
            for place, column in enumerate(self._columns)
            if place not in stored and not (self._transforms and column.origin == "on_demand")
        ]
        self._numbers = [(place, column.name) for place, column in given if column.kind == "number"]
        # The columns in order, where each is a number that the row gives.
        is_plain = not transforms and len(self._numbers) == len(self._columns) > 1
        self._read_numbers = itemgetter(*(column.name for column in self._columns)) if is_plain else None
        self._categories = [(place, column) for place, column in given if column.kind == "category"]
        self._template: Line = [*[_NAN] * len(self._columns), *[None] * len(texts)]

    def vector(self, row: Mapping[str, Any], cutoff: datetime) -> bytes:
        """The vector of a row whose values are all given, float64, little endian; a name the row lacks is missing."""
        if self._read_numbers is not None:
            try:  # a context manager costs as much as packing
                return self._pack(*self._read_numbers(row))
            except (struct.error, OverflowError, KeyError):  # a null, an instant, or a value that is no number
                pass
        return self.finish_one(self.start(row), cutoff)

    def vectors(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> Vectors:
        """The vectors of such rows, float64 [rows, columns]; `FeatureNotANumber` names a column that cannot be read."""
        return self.finish([self.start(row) for row in rows], cutoffs)

    def start(self, row: Mapping[str, Any]) -> Line:
        """A line with the given values of a row; those of the views are still missing."""
        line = self._template.copy()
        for place, name in self._numbers:
            value = row.get(name)
            if value is not None:
                line[place] = value
        for place, column in self._categories:
            value = row.get(column.name)
            line[place] = column.code(value)
            if column.name in self._text_places and value is not None and value == value:
                line[self._text_places[column.name]] = str(value)
        return line

    def start_many(self, rows: Sequence[Mapping[str, Any]]) -> list[Line] | Vectors:
        """Lines of many rows; as one array, which is cheaper, where no transform reads text."""
        if self._text_places:
            return [self.start(row) for row in rows]
        lines = np.full((len(rows), len(self._columns)), _NAN)
        for place, name in self._numbers:
            lines[:, place] = _as_numbers(self._columns[place], [row.get(name) for row in rows])
        for place, column in self._categories:
            lines[:, place] = [column.code(row.get(column.name)) for row in rows]
        return lines

    def fill(self, line: Line | NDArray[np.float64], view: int, values: Sequence[Any]) -> None:
        """Put the values of one view (by its position) into a line; None stays None until the line becomes an array."""
        run = self._runs[view]
        if run is not None:
            taken, places = run
            line[places] = values[taken]
            return
        for index, place, column, is_instant, text_place in self._features[view]:
            value = values[index]
            if value is None:
                continue
            if column.kind == "category":
                line[place] = column.code(value)
                if text_place is not None:
                    line[text_place] = value
            else:
                line[place] = value / 1e6 if is_instant else value

    def finish_one(self, line: Line, cutoff: datetime) -> bytes:
        """The vector of a line as `finish` gives it, without an array where none is needed."""
        if not self._transforms:
            try:
                return self._pack(*line)
            except (struct.error, OverflowError):  # a null, an instant, or a value that is no number
                pass
        return self.finish([line], [cutoff]).tobytes()

    def finish(
        self,
        lines: Sequence[Line] | Vectors,
        cutoffs: Sequence[datetime],
        blocks: Mapping[int, Vectors] | None = None,
    ) -> Vectors:
        """The vectors of the lines, float64 [rows, columns], with on-demand columns computed as of the rows' cutoffs.

        `blocks` are the values of views (by position) whose rows were unpacked together.
        """
        vectors = lines if isinstance(lines, np.ndarray) else self._array(lines)
        for view, values in (blocks or {}).items():
            taken, places = self._runs[view] or (slice(0), slice(0))
            vectors[:, places] = values[:, taken]
        if self._transforms:
            inputs = {name: self._transform_input(name, vectors, lines) for name in self._transform_inputs}
            if self._takes_cutoff:
                inputs[CUTOFF] = np.array([micros(cutoff) for cutoff in cutoffs], dtype=np.int64) / 1e6
            for name, numbers in apply_transforms(self._transforms, inputs, len(vectors)).items():
                if name in self._places:
                    vectors[:, self._places[name]] = numbers
        return vectors

    def _array(self, lines: Sequence[Line]) -> Vectors:
        width = len(self._columns)
        numbers = [line[:width] for line in lines] if self._text_places else lines
        try:
            return np.array(numbers, dtype=np.float64).reshape(len(lines), width)
        except (TypeError, ValueError, OverflowError):
            values = [
                _as_numbers(column, [line[place] for line in lines]) for place, column in enumerate(self._columns)
            ]
            return np.column_stack(values)

    def _transform_input(self, name: str, vectors: Vectors, lines: Sequence[Line] | Vectors) -> NDArray[Any]:
        """A model column as a transform sees it: numbers as they are, categories as text, also those never seen."""
        if name in self._text_places:
            return np.array([line[self._text_places[name]] for line in lines], dtype=object)
        return vectors[:, self._places[name]].copy()

    def _inputs_of_transforms(self) -> list[str]:
        """The model columns that transforms read and that no transform computes."""
        names = dict.fromkeys(name for transform in self._transforms for name in transform.inputs)
        return [
            name for name in names if name in self._places and self._columns[self._places[name]].origin != "on_demand"
        ]

    def _features_of(self, view: ServedView) -> list[_Feature]:
        features = []
        for index, (feature, kind) in enumerate(view.features):
            name = view.column(feature)
            place = self._places.get(name)
            if place is not None:
                column = self._columns[place]
                features.append(_Feature(index, place, column, kind == "timestamp", self._text_places.get(name)))
        return features


def _as_numbers(column: ColumnSpec, values: Sequence[Any]) -> NDArray[np.float64]:
    """Given values of a column as float64; what NumPy does not read, an instant for one, the column reads."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([column.code(value) for value in values], dtype=np.float64)


def _unpacker(view: ServedView, run: tuple[slice, slice] | None) -> ColumnUnpacker | None:
    """Unpacks many rows of a view together, where they hold plain numbers only."""
    unpacker = ColumnUnpacker(view.layout)
    return unpacker if run is not None and unpacker.is_usable else None


def _run(features: Sequence[_Feature]) -> tuple[slice, slice] | None:
    """The two slices of plain numbers that are contiguous in the packed row and in the vector; else None."""
    if not features or any(feature.is_instant or feature.column.kind == "category" for feature in features):
        return None
    first, place = features[0][:2]
    steps = [(feature.position - first, feature.place - place) for feature in features]
    if any(found != (step, step) for step, found in enumerate(steps)):
        return None
    return slice(first, first + len(features)), slice(place, place + len(features))
