"""Columns that may tell the target beforehand: they are listed with the reason, never dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_DETERMINES = 0.999
_NEARLY = 0.6
_COPY_CORRELATION = 0.995
_PAIRS_OF = 30
_FEW = 40
_BINS = 50
_MOSTLY_GIVEN = 0.8
_NAMES = re.compile(
    r"(^|_)(after|post|final|outcome|result|resolution|resolved|closed|won|lost|cancell?ed|refund\w*|paid|"
    r"duration|last_activity|last_notable|next|actual|realised|realized)(_|$)"
)


Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class SuspectedLeak:
    """A column and why it may be known only after the target is. `is_certain`: it gives the target exactly."""

    column: str
    reason: str
    is_certain: bool


def suspected_leaks(table: pl.DataFrame, target: str, key: tuple[str, ...]) -> Iterator[SuspectedLeak]:
    """Columns that determine the target alone or in pairs, or whose name says they are written afterwards."""
    known = table.filter(pl.col(target).is_not_null())
    others = [name for name in table.columns if name != target and name not in key]
    found: set[str] = set()
    is_number = known.schema[target].is_numeric() and known[target].n_unique() > 20
    for leak in _by_value(known, target, others, is_number=is_number):
        found.add(leak.column)
        yield leak
    for name in others:
        if name not in found and (word := _NAMES.search(name)):
            yield SuspectedLeak(
                name, f"its name says {word.group(2)!r}: is it known when the prediction is made?", False
            )


def _by_value(known: pl.DataFrame, target: str, others: list[str], *, is_number: bool) -> Iterator[SuspectedLeak]:
    if known.height < 20:
        return
    if is_number:
        yield from _of_a_number(known, target, others)
    else:
        yield from _of_a_class(known, target, others)


def _of_a_class(known: pl.DataFrame, target: str, others: list[str]) -> Iterator[SuspectedLeak]:
    base = int(known[target].value_counts()["count"].max()) / known.height  # type: ignore[arg-type]  # a count
    for name in others:
        column = known[name]
        if column.null_count() and _gain(known, pl.col(name).is_null(), target, base) >= _DETERMINES:
            yield SuspectedLeak(name, f"whether it is null gives {target} exactly", True)
            continue
        levels = pl.col(name)
        if column.n_unique() > max(50, known.height // 20):
            if not column.dtype.is_numeric():
                continue
            levels = (pl.col(name).rank("dense") - 1) * _BINS // column.n_unique()
        gain = _gain(known, levels, target, base)
        if gain >= _DETERMINES:
            yield SuspectedLeak(name, f"it alone gives {target} exactly", True)
        elif gain >= _NEARLY:
            yield SuspectedLeak(name, f"it alone tells {gain:.0%} of what there is to tell about {target}", False)
    for first, second in combinations(_small_numbers(known, others), 2):
        if _gain(known, (pl.col(first) - pl.col(second)).sign(), target, base) >= _DETERMINES:
            yield SuspectedLeak(first, f"{target} is which of {first} and {second} is larger", True)
            yield SuspectedLeak(second, f"{target} is which of {first} and {second} is larger", True)


def _small_numbers(known: pl.DataFrame, others: list[str]) -> list[str]:
    """Columns of counts, such as goals: few different whole numbers."""
    return [name for name in others if known.schema[name] == pl.Int64 and known[name].n_unique() <= _FEW][:_PAIRS_OF]


def _gain(known: pl.DataFrame, levels: pl.Expr, target: str, base: float) -> float:
    """How much of the gap between the commonest class and always right is closed by knowing the level."""
    if base >= 1:
        return 0.0
    counts = known.select(levels.alias("level"), pl.col(target).alias("class")).group_by("level", "class").len()
    right = int(counts.group_by("level").agg(pl.max("len"))["len"].sum())
    return (right / known.height - base) / (1 - base)


def _of_a_number(known: pl.DataFrame, target: str, others: list[str]) -> Iterator[SuspectedLeak]:
    numbers = [name for name in others if known.schema[name].is_numeric()]
    wanted = known[target].cast(pl.Float64).to_numpy()
    arrays = {name: known[name].cast(pl.Float64).to_numpy() for name in numbers}
    copies: set[str] = set()
    for name, values in arrays.items():
        if abs(_correlation(values, wanted)) >= _COPY_CORRELATION:
            copies.add(name)
            yield SuspectedLeak(name, f"it runs with {target} (correlation {_correlation(values, wanted):.4f})", True)
    if copies:
        return
    parts = _summands(arrays, wanted)
    for name in parts:
        yield SuspectedLeak(name, f"{target} is a sum of {', '.join(parts)}", True)


def _summands(arrays: dict[str, Numbers], wanted: Numbers) -> list[str]:
    """The columns of which the target is a weighted sum, without any rest; empty when there is a rest."""
    usable = [name for name, values in arrays.items() if np.isfinite(values).mean() > _MOSTLY_GIVEN and np.ptp(values)]
    if not usable:
        return []
    rows = np.isfinite(wanted) & np.all([np.isfinite(arrays[name]) for name in usable], axis=0)
    if rows.sum() < 10 * len(usable):
        return []
    table = np.column_stack([arrays[name][rows] for name in usable])
    scaled = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-12)
    centred = wanted[rows] - wanted[rows].mean()
    weights, *_ = np.linalg.lstsq(scaled, centred, rcond=None)
    rest = centred - scaled @ weights
    if (rest @ rest) > 1e-8 * (centred @ centred):
        return []
    return [name for name, weight in zip(usable, weights, strict=True) if abs(weight) > 1e-3 * centred.std()]


def _correlation(values: Numbers, wanted: Numbers) -> float:
    both = np.isfinite(values) & np.isfinite(wanted)
    if both.sum() < 20 or np.ptp(values[both]) == 0 or np.ptp(wanted[both]) == 0:
        return 0.0
    return float(np.corrcoef(values[both], wanted[both])[0, 1])
