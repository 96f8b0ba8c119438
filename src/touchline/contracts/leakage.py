"""Columns that may be known only after the target is, with reasons; copies, and what decides it alone, are marked.

The measure is out of sample: levels are read from one half of the rows and scored on the other, and the score must
beat those of shuffled labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.statistics import (
    agreement,
    cross_fitted_means,
    explained_share,
    is_beyond_chance,
    mid_ranks,
    number_levels,
    separation,
)

_LEAST_ROWS = 20
# One column alone: area under the ROC curve, or share of the order of the numbers. Training warns from here on.
SUSPICIOUS_POWER: Final = {"classes": 0.98, "numbers": 0.96}
DECIDING_POWER: Final = {"classes": 0.99, "numbers": 0.9999}
"""One column alone, from here on: training refuses it until a person trusts it, so `touchline init` leaves it out."""
# Training measures on halves drawn in another way, so a column just below its limit may be refused there.
_MARGIN: Final = 1.5
# A text column that avoids this share of the errors was probably written after the outcome was known.
_WORDS_GAIN_LIMIT = 0.6
_PAIR_LIMIT = 0.9
_PAIR_ALONE_LIMIT = 0.5
_COPY_CORRELATION = 1 - 1e-9
_PAIR_COLUMNS = 30
_PAIR_LEVELS = 40
_MOSTLY_GIVEN = 0.8
_NAMES = re.compile(
    r"(^|_)(after|post|final|outcome|result|resolution|resolved|closed|won|lost|cancell?ed|refund\w*|paid|"
    r"duration|last_activity|last_notable|next|actual|realised|realized|delay|arr_time|arrived|"
    # The opinion of whoever works on a lead, a case or a loan, written while it is worked on.
    r"(?:lead|deal|case|loan|ticket)_(?:quality|profile|grade|rating|score|stage|status)|tags)(_|$)"
)
# A column of earlier cases, such as previous_cancellations, was written before this one.
_EARLIER = re.compile(r"(^|_)(previous|prev|prior|past|earlier|historical)(_|$)")

# How far a weight may be from one.
_PLAIN = 1e-3

Numbers = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True)
class SuspectedLeak:
    """A column and why it may be known only after the target is.

    `is_copy`: it is the target in another spelling, or one of the parts that add up to it in every row. `decides`: it
    predicts the target so well that training refuses it, or may.
    """

    column: str
    reason: str
    is_copy: bool
    decides: bool = False


def suspected_leaks(
    table: pl.DataFrame, target: str, key: tuple[str, ...], *, is_number: bool
) -> Iterator[SuspectedLeak]:
    """Columns that are, or predict, the target alone or in pairs, or whose name says they are written afterwards."""
    labelled = table.filter(pl.col(target).is_not_null())
    others = [name for name in table.columns if name != target and name not in key]
    suspected: set[str] = set()
    if labelled.height >= _LEAST_ROWS and labelled[target].n_unique() > 1:
        # The file may be sorted by the target; halves are drawn after a shuffle.
        shuffled = labelled.sample(fraction=1, shuffle=True, seed=1)
        for leak in _by_value(shuffled, target, others, is_number=is_number):
            if leak.column not in suspected:
                suspected.add(leak.column)
                yield leak
    for name in others:
        if name not in suspected and not _EARLIER.search(name) and (word := _NAMES.search(name)):
            reason = f"its name says {word.group(2)!r}: is it known when the prediction is made?"
            yield SuspectedLeak(name, reason, False)


def _by_value(rows: pl.DataFrame, target: str, others: list[str], *, is_number: bool) -> Iterator[SuspectedLeak]:
    labels = _label_matrix(rows[target], is_number=is_number)
    copies = [name for name in others if _is_copy(rows[name], rows[target], is_number=is_number)]
    alone: list[str] = []
    if is_number:
        numeric = [name for name in others if name not in copies and rows.schema[name].is_numeric()]
        parts = _summands({name: _numbers(rows[name]) for name in numeric}, labels[:, 0])
        # With weights it may be a formula of what is known; parts that plainly add up are the target itself.
        is_plain = all(abs(abs(weight) - 1) < _PLAIN for weight in parts.values())
        alone = list(parts)
        for name in alone:
            power = _power_alone(rows[name], labels, is_number=is_number)
            reason = f"{target} is a sum of {', '.join(alone)}"
            yield SuspectedLeak(name, reason, is_plain, decides=_decides(power, is_number=True))
    for name in [name for name in others if name not in alone]:
        if name in copies:
            yield SuspectedLeak(name, f"it is {target} in another spelling", True)
        elif power := _power_alone(rows[name], labels, is_number=is_number):
            alone.append(name)
            yield _alone(name, target, power, is_number=is_number)
        elif not is_number and rows.schema[name] == pl.String and (gain := _words_gain(rows, name, target)):
            alone.append(name)
            yield SuspectedLeak(name, f"alone it avoids {gain:.0%} of the errors about {target}, out of sample", False)
    if not is_number:
        yield from _pairs(rows, target, [name for name in others if name not in {*alone, *copies}])


def _label_matrix(labels: pl.Series, *, is_number: bool) -> Numbers:
    """The label's numbers, or one 0/1 column per class (of two the second only)."""
    if is_number:
        return _numbers(labels)[:, None]
    codes = labels.rank("dense").to_numpy().astype(np.int64) - 1
    one_hot: Numbers = np.eye(int(codes.max()) + 1)[codes]
    return one_hot[:, 1:] if one_hot.shape[1] == 2 else one_hot


def _is_copy(column: pl.Series, target: pl.Series, *, is_number: bool) -> bool:
    if is_number:
        if not column.dtype.is_numeric() or column.null_count():
            return False
        return abs(_correlation(_numbers(column), _numbers(target))) >= _COPY_CORRELATION
    pairs = pl.DataFrame([column.alias("column"), target.alias("target")]).n_unique()
    return bool(pairs == column.n_unique() == target.n_unique())


def _power_alone(column: pl.Series, labels: Numbers, *, is_number: bool) -> float:
    """How well this column alone predicts the target; 0 when it predicts no more than an honest column may."""
    levels = _level_codes(column)
    if is_number:
        outcome, measure = mid_ranks(labels[:, 0])[:, None], explained_share
        linear = agreement(_numbers(column), labels[:, 0]) if column.dtype.is_numeric() else 0.0
        score = max(measure(levels, outcome), linear)
    else:
        outcome, measure = labels, separation
        score = measure(levels, outcome)
    if score < SUSPICIOUS_POWER["numbers" if is_number else "classes"]:
        return 0.0
    return score if is_beyond_chance(measure, levels, outcome, score) else 0.0


def _alone(name: str, target: str, power: float, *, is_number: bool) -> SuspectedLeak:
    shown = f"explains {power:.1%} of its order" if is_number else f"separates its classes with an AUC of {power:.3f}"
    reason = f"alone it predicts {target}: it {shown} on rows it was not read from"
    return SuspectedLeak(name, reason, False, decides=_decides(power, is_number=is_number))


def _decides(power: float, *, is_number: bool) -> bool:
    return 1 - power <= _MARGIN * (1 - DECIDING_POWER["numbers" if is_number else "classes"])


def _level_codes(column: pl.Series) -> Levels:
    """Levels as codes; numbers of many values in quantile bins; null is a level of its own."""
    if column.dtype.is_numeric():
        return number_levels(_numbers(column))
    codes = column.cast(pl.String).rank("dense").fill_null(0)
    return codes.to_numpy().astype(np.int64)


def _pairs(rows: pl.DataFrame, target: str, others: list[str]) -> Iterator[SuspectedLeak]:
    """Columns that give a class only together: by which is larger (goals), or by their combination (xor)."""
    classes = rows[target].rank("dense").to_numpy().astype(np.int64) - 1
    one_hot = np.eye(int(classes.max()) + 1)[classes]
    numbers = [name for name in others if rows.schema[name] == pl.Int64 and rows[name].n_unique() <= _PAIR_LEVELS]
    for first, second in combinations(numbers[:_PAIR_COLUMNS], 2):
        sign = (rows[first] - rows[second]).sign().fill_null(2).to_numpy().astype(np.int64) + 1
        if _gain(sign, one_hot) >= SUSPICIOUS_POWER["classes"]:
            for name in (first, second):
                yield SuspectedLeak(name, f"{target} is which of {first} and {second} is larger", False)
    coarse = {name: _coarse(rows[name]) for name in others[:_PAIR_COLUMNS] if rows[name].n_unique() > 1}
    weak = {name: codes for name, codes in coarse.items() if _gain(codes, one_hot) < _PAIR_ALONE_LIMIT}
    for (first, one), (second, two) in combinations(weak.items(), 2):
        both = one * (int(two.max()) + 1) + two
        if len(np.unique(both)) <= len(rows) // 10 and _gain(both, one_hot) >= _PAIR_LIMIT:
            for name in (first, second):
                yield SuspectedLeak(name, f"{first} and {second} together give {target}", False)


def _words_gain(rows: pl.DataFrame, name: str, target: str) -> float:
    """The share of errors that a column of text avoids, out of sample; 0 where that is no reason for a suspicion."""
    classes = rows[target].rank("dense").to_numpy().astype(np.int64) - 1
    gain = _gain(_level_codes(rows[name]), np.eye(int(classes.max()) + 1)[classes])
    return gain if gain >= _WORDS_GAIN_LIMIT else 0.0


def _coarse(column: pl.Series) -> Levels:
    if column.dtype.is_numeric() and column.n_unique() > _PAIR_LEVELS:
        values = _numbers(column)
        return (values > np.nanmedian(values)).astype(np.int64)
    return _level_codes(column)


def _gain(levels: Levels, one_hot: Numbers) -> float:
    """The share of the errors of the commonest class that knowing the level avoids, out of sample."""
    base = one_hot.mean(axis=0).max()
    right = float((cross_fitted_means(levels, one_hot).argmax(axis=1) == one_hot.argmax(axis=1)).mean())
    return float((right - base) / (1 - base)) if base < 1 else 0.0


def _numbers(column: pl.Series) -> Numbers:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _summands(arrays: dict[str, Numbers], label: Numbers) -> dict[str, float]:
    """The columns of which the target is a weighted sum, and the weights; empty when there is a rest."""
    usable = [name for name, values in arrays.items() if np.isfinite(values).mean() > _MOSTLY_GIVEN and np.ptp(values)]
    if not usable:
        return {}
    rows = np.isfinite(label) & np.all([np.isfinite(arrays[name]) for name in usable], axis=0)
    if rows.sum() < 10 * len(usable):
        return {}
    table = np.column_stack([arrays[name][rows] for name in usable])
    scales = np.maximum(table.std(axis=0), 1e-12)
    scaled = (table - table.mean(axis=0)) / scales
    centred = label[rows] - label[rows].mean()
    weights, *_ = np.linalg.lstsq(scaled, centred, rcond=None)
    rest = centred - scaled @ weights
    if (rest @ rest) > 1e-8 * (centred @ centred):
        return {}
    return {
        name: float(weight / scale)
        for name, weight, scale in zip(usable, weights, scales, strict=True)
        if abs(weight) > 1e-3 * centred.std()
    }


def _correlation(values: Numbers, label: Numbers) -> float:
    both = np.isfinite(values) & np.isfinite(label)
    if both.sum() < _LEAST_ROWS or np.ptp(values[both]) == 0 or np.ptp(label[both]) == 0:
        return 0.0
    return float(np.corrcoef(values[both], label[both])[0, 1])
