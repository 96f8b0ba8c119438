"""Slices whose loss rose by itself, told apart from a shock that all slices of a field share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring.live_rows import LiveRows
from touchline.statistics import MIN_SERIES, Rise, find_rises

Array = NDArray[np.float64]

# The first days of a release are the level of each slice. A slice without rows on half of them is not compared.
REFERENCE_DAYS: Final = 30
# A slice that rose longer ago is no news, unless the rise was found within this time.
_RECENT_DAYS: Final = 30
_NAMED: Final = 3


def slice_rises(rows: LiveRows, losses: Array, *, checks_a_year: int) -> tuple[str, ...]:
    """A sentence for each field with slices that rose by themselves, or all at once, in the newest 30 days.

    Of rows with an outcome, in order of their days. A field is compared where at least 8 of its values have rows on
    half of the first 30 days. Over all fields a false alarm of slices is expected once in `checks_a_year` days.
    """
    panels = {name: panel for name in rows.fields if (panel := _panel(rows, losses, name)) is not None}
    sentences = []
    for name, (days, values, means) in panels.items():
        rises = find_rises(means, reference=REFERENCE_DAYS, limit=float(checks_a_year * len(panels)))
        recent = [rise for rise in rises if days[-1] - days[rise.alarm] < _RECENT_DAYS]
        sentences += _sentences(name, days.tolist(), values, recent)
    return tuple(sentences)


def _panel(rows: LiveRows, losses: Array, name: str) -> tuple[NDArray[np.int64], list[str], Array] | None:
    """The days, the values of a field, and the mean loss of each value on each day; None where too little is there."""
    texts = np.array([value or "" for value in rows.fields[name]])
    days, day_codes = np.unique(rows.days, return_inverse=True)
    values, codes = np.unique(texts, return_inverse=True)
    if len(days) <= REFERENCE_DAYS or len(values) < MIN_SERIES:
        return None
    cells, shape = day_codes * len(values) + codes, (len(days), len(values))
    counts = np.bincount(cells, minlength=len(days) * len(values)).reshape(shape)
    sums = np.bincount(cells, weights=losses, minlength=len(days) * len(values)).reshape(shape)
    kept = ((counts[:REFERENCE_DAYS] > 0).sum(axis=0) >= REFERENCE_DAYS / 2) & (values != "")
    if kept.sum() < MIN_SERIES:
        return None
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return days, values[kept].tolist(), means[:, kept]


def _sentences(name: str, days: Sequence[int], values: Sequence[str], rises: Sequence[Rise]) -> list[str]:
    sentences = []
    alone = [rise for rise in rises if rise.series is not None]
    if alone:
        named = ", ".join(
            f"{values[rise.series or 0]} since about {_date(days[rise.onset])}" for rise in alone[-_NAMED:][::-1]
        )
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        sentences.append(f"The loss of {name} = {named}{more} rose by itself, the other values of {name} did not.")
    together = [rise for rise in rises if rise.series is None]
    if together:
        onset = _date(days[together[-1].onset])
        sentences.append(
            f"The loss of most of the {len(values)} values of {name} rose at once since about {onset}: see what all "
            "share, such as a source or the calendar."
        )
    return sentences


def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
