"""Checks of a training set before any fit: errors and suspicious values.

A column that tells the label by itself, a value from after the cutoff, an example that occurs twice: each would make
a model that shines here and fails when it is served.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.contracts import DECIDING_POWER, SUSPICIOUS_POWER
from touchline.errors import LeakageFound, NothingVaries
from touchline.statistics import agreement
from touchline.training.data.balance import IMBALANCED, imbalance
from touchline.training.data.column_power import column_power, is_lucky
from touchline.training.data.rows import LabelledRows
from touchline.training.data.splits import Split
from touchline.training.estimators.base import LARGEST

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Level = Literal["leak", "warning", "note"]

_SAME: Final = 1 - 1e-9
_MANY_LEVELS: Final = 100
_MOSTLY_NULL: Final = 0.5
_MANY_TWINS: Final = 0.01


@dataclass(frozen=True)
class Finding:
    """One observation: a `leak` stops the training, a `warning` is worth a look, a `note` is for the record."""

    level: Level
    check: str
    column: str | None
    message: str


def check_rows(rows: LabelledRows, split: Split, frame: pl.DataFrame) -> tuple[Finding, ...]:
    """Everything found, leaks first. Raises `NothingVaries` where no column does."""
    found = [*_leaks(rows), *_from_the_future(rows, frame), *_twice(rows, split), *_statistics(rows)]
    return tuple(sorted(found, key=lambda finding: ("leak", "warning", "note").index(finding.level)))


def excluded_examples(excluded: Mapping[str, int]) -> tuple[Finding, ...]:
    """A note of the examples that the declaration left out, by reason; none where it declares no reason."""
    if not excluded:
        return ()
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in excluded.items())
    message = f"the declaration excludes {sum(excluded.values()):,} examples: {reasons}"
    return (Finding("note", "excluded", None, message),)


def validate_no_leak(findings: Collection[Finding], trusted: Collection[str]) -> None:
    """Raise `LeakageFound` with every leak, but for columns the declaration trusts."""
    leaks = [f.message for f in findings if f.level == "leak" and f.column not in trusted]
    if leaks:
        raise LeakageFound(leaks)


def _leaks(rows: LabelledRows) -> list[Finding]:
    found = []
    kind = "numbers" if rows.kind == "regression" else "classes"
    for place, column in enumerate(rows.columns):
        power = column_power(rows, place)
        if power < SUSPICIOUS_POWER[kind] or _is_the_cutoff(rows, place) or is_lucky(rows, place, power):
            continue
        measure = "explains" if rows.kind == "regression" else "separates the classes with an AUC of"
        shown = f"{power:.2%} of the label's order" if rows.kind == "regression" else f"{power:.3f}"
        level: Level = "leak" if power >= DECIDING_POWER[kind] else "warning"
        found.append(Finding(level, "suspected leak", column.name, f"{column.name!r} alone {measure} {shown}"))
    return found


def _is_the_cutoff(rows: LabelledRows, place: int) -> bool:
    """Whether the column is the time of the prediction itself: a label that follows a trend is no leak."""
    return agreement(rows.vectors[:, place], rows.cutoffs.astype(np.float64)) > _SAME


def _from_the_future(rows: LabelledRows, frame: pl.DataFrame) -> list[Finding]:
    known = frame[rows.places]
    names = [column.name for column in rows.columns if column.name in known.columns]
    found = []
    for name in names:
        if not known[name].dtype.is_temporal():
            continue
        later = known.filter(pl.col(name).cast(pl.Datetime("us", "UTC")) > pl.col("cutoff"))
        if later.height:
            first = f"first: example {later['example_id'][0]}, {later[name][0]}"
            found.append(
                Finding(
                    "leak",
                    "later than the cutoff",
                    name,
                    f"{name!r} lies after the cutoff in {later.height} rows ({first})",
                )
            )
    return found


def _twice(rows: LabelledRows, split: Split) -> list[Finding]:
    found = []
    repeated = len(rows.ids) - len(set(rows.ids))
    if repeated:
        found.append(Finding("leak", "example twice", None, f"{repeated} example ids occur more than once"))
    train = {vector.tobytes() for vector in rows.vectors[split.train]}
    twins = sum(vector.tobytes() in train for vector in rows.vectors[split.test])
    if twins > _MANY_TWINS * len(split.test):
        message = f"{twins} of {len(split.test)} test examples have the very values of a training example"
        found.append(Finding("warning", "rows shared by train and test", None, message))
    return found


def _statistics(rows: LabelledRows) -> list[Finding]:
    found = [finding for place in range(len(rows.columns)) for finding in _column_findings(rows, place)]
    if sum(finding.check == "constant" for finding in found) == len(rows.columns):
        raise NothingVaries(len(rows.columns))
    if rows.kind != "regression" and imbalance(rows.labels) > IMBALANCED:
        message = f"the commonest class happens {imbalance(rows.labels):.1f} times as often as the rarest"
        found.append(Finding("note", "imbalance", None, message))
    if rows.unlabelled:
        found.append(Finding("note", "no label yet", None, f"{rows.unlabelled} examples have no known label"))
    return found


def _column_findings(rows: LabelledRows, place: int) -> list[Finding]:
    column, values = rows.columns[place], rows.vectors[:, place]
    nulls, infinite = float(np.isnan(values).mean()), int((np.abs(values) > LARGEST).sum())
    present = values[np.abs(values) <= LARGEST]
    found = []
    if len(present) == 0 or (nulls == 0 and present.min() == present.max()):
        found.append(Finding("warning", "constant", column.name, f"{column.name!r} never varies and is dropped"))
    elif nulls > _MOSTLY_NULL:
        found.append(Finding("warning", "nulls", column.name, f"{column.name!r} is null in {nulls:.0%} of the rows"))
    if infinite:
        message = f"{column.name!r} is infinite, or beyond {LARGEST:.1e}, in {infinite} rows, which count as nulls"
        found.append(Finding("warning", "infinite", column.name, message))
    if len(column.levels) > _MANY_LEVELS:
        message = f"{column.name!r} has {len(column.levels):,} levels; the {_MANY_LEVELS} commonest are kept apart"
        found.append(Finding("note", "many levels", column.name, message))
    return found
