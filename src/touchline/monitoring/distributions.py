"""Histograms of the reference and of the newest window, by column: then and now on the same bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from touchline.monitoring.current import Window, read_newest
from touchline.monitoring.live_rows import category_texts
from touchline.predictions import PredictionRecords
from touchline.statistics import CategoryColumn, NumberColumn, Profile

Array = NDArray[np.float64]
BINS = 20
# The newest rows of the window that the histograms count.
_MOST_ROWS = 5_000
_MOST_LEVELS = 12
_OTHER = "other"


@dataclass(frozen=True)
class Distribution:
    """One column, then and now: the share of rows in each bin. `edges` has one number more than a number has bins.

    The first and the last bin of a number also hold the rows beyond the 1 % and the 99 % quantile of the reference.
    """

    name: str
    is_output: bool
    edges: tuple[float, ...]
    levels: tuple[str, ...]
    then: tuple[float, ...]
    now: tuple[float, ...]
    nulls_then: float
    nulls_now: float


@dataclass(frozen=True)
class Distributions:
    """Every column of the profile, with the rows that were counted then and now."""

    columns: tuple[Distribution, ...]
    rows_then: int
    rows_now: int
    message: str


def read_distributions(
    records: PredictionRecords, release_id: str, profile: Profile, window: Window, of_slice: str | None = None
) -> Distributions:
    """The distributions of a checked window beside those of the release's reference sample, of one slice if given."""
    now = read_newest(records, release_id, profile, window, most=_MOST_ROWS)
    return distributions_of(profile, now, of_slice)


def distributions_of(profile: Profile, now: Array, of_slice: str | None = None) -> Distributions:
    """`now` has the columns of the profile, encoded as its sample is.

    A slice is known in the sample only where its field is a category column of the model.
    """
    then, of = profile.sample, ""
    if of_slice is not None:
        name, _, value = of_slice.partition("=")
        place = {one.name: place for place, one in enumerate(profile.features)}.get(name)
        column = None if place is None else profile.features[place]
        if not isinstance(column, CategoryColumn):
            known = f"the reference sample holds model columns only, and {name} is no category column of the model"
            return Distributions((), 0, 0, f"Distributions of {of_slice} cannot be compared: {known}.")
        then, now = (
            rows[np.array(category_texts(column, rows[:, place]), dtype=np.str_) == value] for rows in (then, now)
        )
        of = f" of {of_slice}"
    if not len(now) or not len(then):
        where = "The newest drift check has no prediction" if not len(now) else "The reference sample has no row"
        return Distributions((), len(then), len(now), f"{where}{of}.")
    columns = tuple(
        _of_number(column, then[:, place], now[:, place])
        if isinstance(column, NumberColumn)
        else _of_category(column.name, column.levels, (then[:, place], now[:, place]), column.is_output)
        for place, column in enumerate(profile.columns)
    )
    counted = f"Then: {len(then):,} test rows{of}. Now: the newest {len(now):,} predictions{of} of the check."
    return Distributions(columns, len(then), len(now), counted)


def _of_number(column: NumberColumn, then: Array, now: Array) -> Distribution:
    low, high = (column.quantiles[1], column.quantiles[-2]) if column.quantiles else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    return Distribution(
        name=column.name,
        is_output=column.is_output,
        edges=tuple(edges.tolist()),
        levels=(),
        then=_shares(np.histogram(np.clip(then[np.isfinite(then)], edges[0], edges[-1]), edges)[0], len(then)),
        now=_shares(np.histogram(np.clip(now[np.isfinite(now)], edges[0], edges[-1]), edges)[0], len(now)),
        nulls_then=_null_share(then),
        nulls_now=_null_share(now),
    )


def _of_category(name: str, levels: tuple[str, ...], rows: tuple[Array, Array], is_output: bool) -> Distribution:
    """The most common levels of the reference; all others, unseen ones too, count as `other`."""
    counts = [np.array([(own == code).sum() for code in range(len(levels))]) for own in rows]
    order = np.argsort(-counts[0], kind="stable")[:_MOST_LEVELS]
    shown = [
        np.append(own[order], np.isfinite(values).sum() - own[order].sum())
        for own, values in zip(counts, rows, strict=True)
    ]
    then, now = rows
    return Distribution(
        name=name,
        is_output=is_output,
        edges=(),
        levels=(*(levels[place] for place in order), _OTHER),
        then=_shares(shown[0], len(then)),
        now=_shares(shown[1], len(now)),
        nulls_then=_null_share(then),
        nulls_now=_null_share(now),
    )


def _shares(counts: NDArray[np.int64], rows: int) -> tuple[float, ...]:
    return tuple((counts / max(rows, 1)).tolist())


def _null_share(values: Array) -> float:
    return float((~np.isfinite(values)).mean()) if len(values) else 0.0
