"""Vectors made fit for an estimator: fitted on the rows of one fit only, applied with NumPy alone.

A vector holds numbers as they are (null as NaN) and categories as the index of their level (null NaN, unseen -1).
`dense` imputes by the median and says so in a column of its own, scales, and spreads categories over one-hot
columns. `trees` keeps numbers and nulls, and has categories as codes, as mean labels (see `category_means`), or both.
Codes and one-hot columns pool rare levels with unseen ones. Infinite numbers count as nulls, and columns that do not
vary are dropped. `vectors` changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from touchline.features import ColumnSpec
from touchline.training.estimators.base import LARGEST
from touchline.training.fitting.mean_table import MeanPart, MeanTable

Array = NDArray[np.float64]
Layout = Literal["dense", "trees", "vectors"]

LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout)

# A level seen less often says more about chance than about the label, and shares a column with unseen ones.
_RARE = 10
_MOST_LEVELS = 100


@dataclass(frozen=True)
class NumberPart:
    """One kept number column: where it is, what stands for a null, how it is scaled."""

    position: int
    middle: float
    mean: float
    scale: float
    flags_nulls: bool


@dataclass(frozen=True)
class CategoryPart:
    """One kept category column: `codes[index + 2]` is the code of a level; the first two are null and unseen.

    Kept levels have the codes below `others`, which rare and unseen levels share; `others + 1` stands for null where
    the fit has seen nulls.
    """

    position: int
    codes: tuple[int, ...]
    others: int
    flags_nulls: bool

    @property
    def width(self) -> int:
        return self.others + 1 + self.flags_nulls


@dataclass(frozen=True)
class Preparation:
    """The conversion of vectors into an estimator's matrix."""

    layout: Layout
    numbers: tuple[NumberPart, ...]
    categories: tuple[CategoryPart, ...]
    dropped: tuple[str, ...]
    names: tuple[str, ...]
    means: tuple[MeanPart, ...] = ()

    @property
    def categorical(self) -> tuple[int, ...]:
        """The columns of the matrix that hold codes, for estimators that split on them."""
        if self.layout != "trees":
            return ()
        return tuple(range(len(self.numbers), len(self.numbers) + len(self.categories)))

    @property
    def origins(self) -> tuple[int, ...]:
        """Of each column of the matrix, the place of the model column it comes from."""
        if self.layout == "vectors":
            return tuple(range(len(self.names)))
        numbers = [part.position for part in self.numbers]
        if self.layout == "trees":
            means = (part.position for part in self.means for _ in range(part.width))
            return (*numbers, *(part.position for part in self.categories), *means)
        flags = [part.position for part in self.numbers if part.flags_nulls]
        return (*numbers, *flags, *(part.position for part in self.categories for _ in range(part.width)))

    @cached_property
    def keeps_finite_rows(self) -> bool:
        """Whether `transform` leaves a row as it is unless a number in it is infinite."""
        positions = [part.position for part in self.numbers]
        is_plain = (
            not (self.categories or self.means) and positions == list(range(len(self.names))) and not self.dropped
        )
        return self.layout == "vectors" or (self.layout == "trees" and is_plain)

    @cached_property
    def _middles(self) -> tuple[NDArray[np.int64], Array, Array, Array, NDArray[np.int64]]:
        """The numbers side by side: positions, middles, means, scales, and which of them flag nulls."""
        parts = self.numbers
        return (
            np.array([part.position for part in parts], dtype=np.int64),
            np.array([part.middle for part in parts]),
            np.array([part.mean for part in parts]),
            np.array([part.scale for part in parts]),
            np.array([place for place, part in enumerate(parts) if part.flags_nulls], dtype=np.int64),
        )

    @cached_property
    def _table(self) -> MeanTable:
        return MeanTable.of(self.means)

    def transform(self, vectors: Array) -> Array:
        """The estimator's matrix, one row per vector."""
        if self.layout == "vectors":
            return vectors
        is_finite = np.abs(vectors) <= LARGEST
        if self.keeps_finite_rows and is_finite.all():
            return np.ascontiguousarray(vectors)
        finite = np.where(is_finite, vectors, np.nan)
        positions, middles, means, scales, flagging = self._middles
        numbers = finite[:, positions]
        blocks = [numbers]
        if self.layout == "dense":
            missing = np.isnan(numbers)
            scaled = (np.where(missing, middles, numbers) - means) / scales
            blocks = [scaled, missing[:, flagging].astype(np.float64)]
        blocks += [_coded(finite, part, self.layout) for part in self.categories]
        if self.means:
            blocks.append(self._table.columns(finite))
        return np.ascontiguousarray(np.concatenate(blocks, axis=1))

    def to_json(self) -> dict[str, object]:
        return {
            "layout": self.layout,
            "numbers": [[p.position, p.middle, p.mean, p.scale, p.flags_nulls] for p in self.numbers],
            "categories": [[p.position, list(p.codes), p.others, p.flags_nulls] for p in self.categories],
            "dropped": list(self.dropped),
            "names": list(self.names),
            "means": [[part.position, [list(row) for row in part.means]] for part in self.means],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Preparation:
        """The preparation that `to_json` wrote; JSON keeps every float exactly."""
        layout = next(layout for layout in LAYOUTS if layout == record["layout"])
        numbers, categories = record["numbers"], record["categories"]
        assert isinstance(numbers, list)
        assert isinstance(categories, list)
        return cls(
            layout=layout,
            numbers=tuple(NumberPart(*part) for part in numbers),
            categories=tuple(CategoryPart(part[0], tuple(part[1]), *part[2:]) for part in categories),
            dropped=_texts(record["dropped"]),
            names=_texts(record["names"]),
            means=_mean_parts(record.get("means", [])),
        )


def _texts(document: object) -> tuple[str, ...]:
    assert isinstance(document, list)
    return tuple(str(text) for text in document)


def _mean_parts(document: object) -> tuple[MeanPart, ...]:
    assert isinstance(document, list)
    return tuple(MeanPart(position, tuple(tuple(row) for row in means)) for position, means in document)


def _coded(vectors: Array, part: CategoryPart, layout: Layout) -> Array:
    raw = vectors[:, part.position]
    missing = np.isnan(raw)
    index = np.clip(np.where(missing, -2.0, raw), -2, len(part.codes) - 3).astype(np.int64)
    # A level beyond the known ones is as unseen as -1.
    index = np.where(~missing & (raw > len(part.codes) - 3), -1, index)
    codes = np.asarray(part.codes, dtype=np.int64)[index + 2]
    if layout == "trees":
        return np.where(missing & (codes < 0), np.nan, codes.astype(np.float64))[:, None]
    return np.eye(part.width, dtype=np.float64)[codes]


def no_preparation(columns: Sequence[ColumnSpec]) -> Preparation:
    """Vectors as they are, for estimators that prepare them themselves."""
    return Preparation("vectors", (), (), (), tuple(column.name for column in columns))


def fit_preparation(
    layout: Layout, columns: Sequence[ColumnSpec], vectors: Array, *, column_subset: Collection[str] | None = None
) -> Preparation:
    """Medians, scales and kept levels of these rows, and of no others; of the chosen columns where some are named."""
    finite = np.where(np.abs(vectors) <= LARGEST, vectors, np.nan)
    numbers: list[NumberPart] = []
    categories: list[CategoryPart] = []
    dropped: list[str] = []
    for position, column in enumerate(columns):
        if column_subset is not None and column.name not in column_subset:
            dropped.append(column.name)
            continue
        number = _fit_number(position, finite[:, position]) if column.kind == "number" else None
        category = _fit_category(position, column, finite[:, position], layout) if column.kind == "category" else None
        if number:
            numbers.append(number)
        elif category:
            categories.append(category)
        else:
            dropped.append(column.name)
    if not numbers and not categories:
        # An estimator needs a column; from one that does not vary it learns nothing but the base rate.
        place = next(
            (place for place, column in enumerate(columns) if column.name in (column_subset or [column.name])), 0
        )
        dropped.remove(columns[place].name)
        present = finite[:, place][~np.isnan(finite[:, place])]
        value = float(present[0]) if len(present) else 0.0
        numbers.append(NumberPart(place, value, value, 1.0, flags_nulls=False))
    names = column_names(layout, columns, numbers, categories)
    return Preparation(layout, tuple(numbers), tuple(categories), tuple(dropped), names)


def _fit_number(position: int, values: Array) -> NumberPart | None:
    present = values[~np.isnan(values)]
    has_nulls = len(present) < len(values)
    if len(present) == 0 or (not has_nulls and present.min() == present.max()):
        return None
    middle = float(np.median(present))
    filled = np.where(np.isnan(values), middle, values)
    return NumberPart(position, middle, float(filled.mean()), float(filled.std()) or 1.0, has_nulls)


def _fit_category(position: int, column: ColumnSpec, values: Array, layout: Layout) -> CategoryPart | None:
    missing = np.isnan(values)
    counts = np.bincount(values[~missing & (values >= 0)].astype(np.int64), minlength=len(column.levels))
    often = np.flatnonzero(counts >= _RARE)
    kept = np.sort(often[np.argsort(-counts[often], kind="stable")][:_MOST_LEVELS])
    others = len(kept)
    codes = np.full(len(column.levels) + 2, others, dtype=np.int64)
    codes[kept + 2] = np.arange(len(kept))
    pooled = bool((counts.sum() - counts[kept].sum()) > 0)
    if len(kept) + pooled + bool(missing.any()) < 2:
        return None
    # Trees have a side for nulls; one-hot columns give them one of their own where the fit has seen some.
    codes[0] = -1 if layout == "trees" else others + 1 if missing.any() else others
    return CategoryPart(position, tuple(int(code) for code in codes), others, bool(missing.any()))


def column_names(
    layout: Layout, columns: Sequence[ColumnSpec], numbers: Sequence[NumberPart], categories: Sequence[CategoryPart]
) -> tuple[str, ...]:
    """The names of the matrix's columns."""
    names = [columns[number.position].name for number in numbers]
    if layout == "trees":
        return (*names, *(columns[category.position].name for category in categories))
    names += [f"{columns[number.position].name} is null" for number in numbers if number.flags_nulls]
    for category in categories:
        column = columns[category.position]
        by_code = {code: level for level, code in zip(column.levels, category.codes[2:], strict=True)}
        kept = [by_code[code] for code in range(category.others)]
        names += [f"{column.name}={level}" for level in (*kept, "other", *(["null"] if category.flags_nulls else []))]
    return tuple(names)
