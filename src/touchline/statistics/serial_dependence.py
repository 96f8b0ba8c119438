"""How much more a mean of consecutive rows varies than a mean of independent rows.

The method is that of batch means: the variance of the means of blocks of consecutive rows, times the length of the
block, relative to the variance of single rows. It is 1 for independent rows, and for an autoregression of order one it
grows to (1 + rho) / (1 - rho). Rhythms (hours of a day) and trends count as they vary over blocks of that length.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np
from numpy.typing import ArrayLike

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, finite_sample

# Whether rows depend on each other is decided on lengths with at least this many blocks.
_MIN_BLOCKS = 32
# The inflation of dependent rows is measured up to lengths with this many blocks: ten batches are enough for a variance
# with a t distribution (Schmeiser 1982), and a season shows in long blocks only. Longer windows continue the growth.
_MIN_LONG_BLOCKS = 10
# Rows count as independent unless the inflation of some length is this many standard errors above 1.
_STANDARD_ERRORS = 4.0
_MOST_CORRELATION = 0.95
# Blocks that decide nothing: as many degrees of freedom as a normal distribution has.
_INDEPENDENT_DEGREES = 1e9


@dataclass(frozen=True)
class Inflation:
    """Divide a chi-squared statistic by `factor`; `degrees` of freedom of the estimate of that factor."""

    factor: float = 1.0
    degrees: float = _INDEPENDENT_DEGREES

    def p_value(self, p_value: float) -> float:
        """The two-sided p-value whose normal statistic is divided by the root of the factor.

        >>> round(Inflation(4.0).p_value(0.01), 3), Inflation().p_value(0.01)
        (0.198, 0.01)
        """
        if self.factor == 1 and self.degrees >= _INDEPENDENT_DEGREES:
            return p_value
        from scipy.stats import norm, t

        return float(min(1.0, 2 * t.sf(norm.isf(p_value / 2) / sqrt(self.factor), self.degrees)))

    def chi_squared_p_value(self, statistic: float, degrees: int) -> float:
        """P-value of a chi-squared statistic (the first-order correction of Rao and Scott 1984)."""
        from scipy.stats import chi2, f

        if self.degrees >= _INDEPENDENT_DEGREES:
            return float(chi2.sf(statistic / self.factor, degrees))
        return float(f.sf(statistic / self.factor / degrees, degrees, self.degrees))


def autoregressive_inflation(series: ArrayLike) -> float:
    """The inflation of a mean of many consecutive values, as of a first-order autoregression; 1 for independent ones.

    Few values hardly show dependence in blocks, so this takes their lag-1 correlation, corrected for its bias in short
    series (Kendall 1954), less one standard error, so that independent values mostly count as such.

    >>> autoregressive_inflation([1.0, 0.0, 1.0, 0.0]), round(autoregressive_inflation([0.0] * 50 + [1.0] * 50), 1)
    (1.0, 21.0)
    """
    values = finite_sample("A measure of dependence", series)
    centred, count = values - values.mean(), len(values)
    total = float((centred**2).sum())
    if total <= 0:
        return 1.0
    correlation = float((centred[1:] * centred[:-1]).sum()) / total
    correlation += (1 + 3 * max(correlation, 0.0)) / count - 1 / sqrt(count)
    correlation = min(max(correlation, 0.0), _MOST_CORRELATION)
    return (1 + correlation) / (1 - correlation)


def measure_inflation(scores: FloatArray) -> tuple[float, ...]:
    """The inflation for blocks of 1, 2, 4, 8, … rows in time order; empty where rows count as independent.

    `scores` has one column for each value whose mean is compared (ranks, or an indicator of each level); their
    inflations are averaged by their variances. Source: Conway 1963 (batch means), Rao and Scott 1984 (average).

    >>> measure_inflation(np.random.default_rng(0).normal(size=(4096, 1)))
    ()
    """
    series = np.atleast_2d(scores.T).T
    finite_sample("A measure of dependence", series.ravel())
    centred = series - series.mean(axis=0)
    variance = float((centred**2).mean(axis=0).sum())
    if variance <= 0 or len(series) < 2 * _MIN_BLOCKS:
        return ()
    inflation, is_dependent = [1.0], False
    for power in range(1, int(log2(len(series) / _MIN_LONG_BLOCKS)) + 1):
        length = 2**power
        blocks = len(series) // length
        means = centred[: blocks * length].reshape(blocks, length, -1).mean(axis=1)
        squares = (means**2).sum(axis=1) * length / variance
        inflation.append(float(squares.mean()))
        # Counts of rare events have heavy tails: the error of their variance is measured, not assumed.
        error = max(float(squares.std()) / sqrt(blocks), sqrt(2 / blocks / series.shape[1]))
        is_dependent |= blocks >= _MIN_BLOCKS and inflation[-1] - 1 > _STANDARD_ERRORS * error
    return tuple(inflation) if is_dependent else ()


def window_inflation(measured: tuple[float, ...], rows: int, reference_rows: int, sample_rows: int) -> Inflation:
    """The inflation of the variance of a difference of means: a window of `rows` against a sample of the reference.

    `measured` are the inflations of `reference_rows` consecutive rows, of which `sample_rows` were sampled.
    """
    if min(rows, reference_rows, sample_rows) < 1:
        raise InvalidSample("An inflation", f"{rows} rows against {reference_rows}", "at least one row on both sides")
    if not measured:
        return Inflation()
    window = _at(measured, rows)
    reference = max(_at(measured, reference_rows) / reference_rows, 1 / sample_rows)
    factor = (window / rows + reference) / (1 / rows + 1 / sample_rows)
    longest = min(len(measured) - 1, max(0, ceil(log2(rows))))
    return Inflation(max(1.0, factor), max(reference_rows // 2**longest - 1, 1))


def _at(measured: tuple[float, ...], rows: int) -> float:
    """The inflation for blocks of `rows`: measured, or where none was measured, continued at the last growth."""
    wanted, last = max(0.0, log2(rows)), len(measured) - 1
    place = min(last, ceil(wanted))
    level = max(1.0, *measured[max(0, place - 1) : place + 1])
    if wanted <= last or last < 2:
        return level
    growth = max(1.0, measured[-1] / max(measured[-3], 1.0)) ** 0.5
    # Growth of 2 a doubling is that of a trend: no series grows faster.
    return level * float(min(growth, 2.0) ** (wanted - last))
