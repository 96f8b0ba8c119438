"""Which of many series rose by themselves, where a shock that all of them share is no news of any one.

A holiday or an outage upstream raises the loss of all slices at once. The common part of a step is the median over the
series, each in standard deviations of its reference: fewer than half of the series, however far they rise, hardly move
it. Each series is watched by its distance to the common part, and the common part once, by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray

# The median of fewer series is one of them more than it is common.
MIN_SERIES = 8
# Fewer steps do not tell how much a series varies.
MIN_REFERENCE = 20
# Single steps further out than so many standard deviations count as these: heavy tails are no rise.
_CLIP = 2.5
# Series answer a shock of all by more or less: after one of this size none is blamed for the difference.
_LARGE = 0.5


@dataclass(frozen=True)
class Rise:
    """A series (None: the common part) that rose at step `onset`, found at step `alarm`."""

    series: int | None
    onset: int
    alarm: int


def find_rises(values: ArrayLike, *, reference: int, limit: float) -> tuple[Rise, ...]:
    """The rises of a panel [steps, series] whose first `reference` steps are unchanged, in order; NaN: no value.

    While nothing changes, a false alarm of any series is expected every `limit` steps, and one of the common part as
    rarely. Series that rise together are found sooner: r of them need 1 / r of the evidence (Wang and Ramdas 2022), and
    no independence of series is assumed. After its alarm a series starts anew, with `reference` steps as its new level;
    after a large one of the common part all do, since a shock of all is one incident. Raises `InvalidSample` where the
    reference is too short or the series are too few.
    """
    panel = np.array(values, dtype=np.float64)
    if panel.ndim != 2 or panel.shape[1] < MIN_SERIES or not MIN_REFERENCE <= reference <= len(panel):
        actual = f"values of shape {panel.shape} with a reference of {reference} steps"
        allowed = f"[steps, {MIN_SERIES} or more series], of which {MIN_REFERENCE} steps or more are the reference"
        raise InvalidSample("A panel", actual, allowed)
    return tuple(_Watch(panel, reference, limit).rises())


class _Watch:
    """One pass over the steps: nothing that is found at a step depends on a later one."""

    def __init__(self, panel: FloatArray, reference: int, limit: float) -> None:
        self._panel, self._reference, self._limit = panel, reference, limit
        first = panel[:reference]
        self._spread = _moderate_spread(first)
        self._levels = (panel - _mean(first)) / self._spread
        # Series vote for the common part unless they have risen and their new level is not known yet.
        self._votes = self._levels.copy()
        self._common = _median(self._votes)
        gaps = self._levels[:reference] - self._common[:reference, None]
        self._gap_spread = _moderate_spread(gaps)
        self._clip_spread = _moderate_spread(_clipped(gaps / self._gap_spread))
        self._gaps = self._distances(slice(None))
        self._common_spread = float(self._common[:reference].std(ddof=1)) or 1.0

    def rises(self) -> Iterator[Rise]:
        count, reference = self._panel.shape[1], self._reference
        starts, common_start = np.zeros(count, dtype=np.int64), np.zeros(1, dtype=np.int64)
        awaited = np.zeros(count, dtype=np.bool_)
        inflation = _inflation(self._gaps[:reference])
        common_inflation = _inflation(self._common[:reference, None])
        for step in range(reference, len(self._panel)):
            evidence, onsets = _evidence(self._gaps[: step + 1], starts, reference, inflation)
            order = np.argsort(-evidence)
            enough = evidence[order] * np.arange(1, count + 1) >= self._limit * count
            risen = np.sort(order[: int(np.flatnonzero(enough).max(initial=-1)) + 1])
            yield from (Rise(series, int(onsets[series]), step) for series in risen.tolist())
            common = _clipped(self._common[: step + 1, None] / self._common_spread)
            of_common, onset = _evidence(common, common_start, reference, common_inflation)
            shared = self._shared_rise(int(common_start[0]), int(onset[0]), step + 1)
            if of_common[0] >= self._limit and shared > 0:
                yield Rise(None, int(onset[0]), step)
                common_start = np.array([step + 1])
                if shared >= _LARGE:
                    starts[~awaited] = step + 1
            starts[risen], awaited[risen] = step + 1, True
            renewed = awaited & (starts + reference == step + 1)
            awaited &= ~renewed
            self._restart(risen, np.flatnonzero(renewed), starts, step + 1)

    def _shared_rise(self, start: int, onset: int, now: int) -> float:
        """The rise of the common part in standard deviations of a series, 0 where most series did not rise with it.

        A tenth of many series that rises moves their median as well.
        """
        changes = _mean(self._votes[onset:now]) - _mean(self._votes[start:onset])
        rise = float(self._common[onset:now].mean() - self._common[start:onset].mean()) if start < onset else 0.0
        voting = np.isfinite(self._votes[onset:now]).any(axis=0)
        return rise if voting.any() and float(np.median(changes[voting])) >= rise / 2 else 0.0

    def _restart(
        self, risen: NDArray[np.int64], renewed: NDArray[np.int64], starts: NDArray[np.int64], now: int
    ) -> None:
        """Series that have risen no longer vote; those whose new level is known do again."""
        if not len(risen) and not len(renewed):
            return
        self._votes[now:, risen] = np.nan
        for series in renewed.tolist():
            start = int(starts[series])
            level = _mean(self._panel[start:now, series : series + 1])
            self._levels[start:, series] = (self._panel[start:, series] - level) / self._spread[series]
            self._votes[now:, series] = self._levels[now:, series]
            self._gaps[start:now, series] = self._distances(slice(start, now))[:, series]
        self._common[now:] = _median(self._votes[now:])
        self._gaps[now:] = self._distances(slice(now, None))

    def _distances(self, steps: slice) -> FloatArray:
        gaps = self._levels[steps] - self._common[steps, None]
        return _clipped(gaps / self._gap_spread) / self._clip_spread


def _evidence(
    values: FloatArray, starts: NDArray[np.int64], reference: int, inflation: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The evidence that each series rose at some step after its reference, and the likeliest of these steps.

    Shiryaev-Roberts over likelihood ratios of a rise of unknown size above an unknown level: each depends on the
    difference of the means after and before its step alone, so that the level may be as uncertain as it is. Without a
    rise the evidence grows by 1 a step on average. Rises are half-normal, with one standard deviation.
    """
    from scipy.special import log_ndtr

    steps, count = values.shape
    present = np.isfinite(values)
    sums = np.vstack([np.zeros(count), np.cumsum(np.where(present, values, 0.0), axis=0)])
    sizes = np.vstack([np.zeros(count), np.cumsum(present, axis=0)])
    first, every = starts.clip(max=steps), np.arange(count)
    rows_before, rows_after = sizes[:-1] - sizes[first, every], sizes[-1] - sizes[:-1]
    usable = np.arange(steps)[:, None] >= starts + reference
    usable &= (rows_before >= MIN_REFERENCE / 2) & (rows_after > 0)
    rows_before, rows_after = np.where(usable, rows_before, 1.0), np.where(usable, rows_after, 1.0)
    difference = (sums[-1] - sums[:-1]) / rows_after - (sums[:-1] - sums[first, every]) / rows_before
    variance = inflation * (1 / rows_before + 1 / rows_after)
    total = variance + inflation
    score = difference * np.sqrt(inflation / (variance * total))
    log_ratio = np.log(2) + (np.log(variance / total) + score**2) / 2 + log_ndtr(score)
    ratios = np.where(usable, np.exp(np.minimum(log_ratio, 600)), 0.0)
    return ratios.sum(axis=0), np.asarray(ratios.argmax(axis=0), dtype=np.int64)


def _clipped(values: FloatArray) -> FloatArray:
    return np.clip(values, -_CLIP, _CLIP)


def _mean(values: FloatArray) -> FloatArray:
    present = np.isfinite(values)
    return np.asarray(np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1))


def _moderate_spread(values: FloatArray) -> FloatArray:
    """The standard deviation of each series, moderated by those of all (Smyth 2004, by moments)."""
    present = np.isfinite(values)
    degrees = np.maximum(present.sum(axis=0) - 1, 1)
    variances = np.where(present, (values - _mean(values)) ** 2, 0.0).sum(axis=0) / degrees
    shared = float(variances.mean())
    if shared <= 0:
        return np.ones(len(variances))
    excess = max(float(variances.var()) / shared**2 - 2 * float((1 / degrees).mean()), 1e-9)
    return np.asarray(np.sqrt((2 / excess * shared + degrees * variances) / (2 / excess + degrees)))


def _median(levels: FloatArray) -> FloatArray:
    """The median over the series at each step; 0 where fewer than `MIN_SERIES` have a value."""
    common = np.zeros(len(levels))
    enough = np.isfinite(levels).sum(axis=1) >= MIN_SERIES
    if enough.any():
        common[enough] = np.nanmedian(levels[enough], axis=1)
    return common


def _inflation(values: FloatArray) -> float:
    """By how much serial dependence raises the variance of a mean of many steps, from the lag-1 correlation of all.

    Within n steps the correlation is too small by (1 + 3 rho) / n on average (Kendall 1954), which is added.
    """
    centred = values - _mean(values)
    products, squares = centred[:-1] * centred[1:], (centred[:-1] ** 2 + centred[1:] ** 2) / 2
    if not (total := float(np.nansum(np.where(np.isfinite(products), squares, np.nan)))):
        return 1.0
    correlation = float(np.nansum(products)) / total
    correlation += (1 + 3 * max(correlation, 0.0)) / len(values)
    correlation = min(max(correlation, 0.0), 0.95)
    return (1 + correlation) / (1 - correlation)
