"""Whether two samples come from one distribution, by ranks, distribution functions and counts of levels.

Limits of large samples are used where they hold. Where few rows decide (a rare level, a rare null, a column that is
almost constant) the p-value is exact: Fisher's test, or a permutation of the rows given both margins. `Inflation` is
that of serial dependence. With ties, Kolmogorov-Smirnov errs on the side of no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from touchline.errors import InvalidSample
from touchline.statistics.samples import FloatArray, counts, finite_sample
from touchline.statistics.serial_dependence import Inflation

# Below this expected count a level is pooled with the others that are as rare (Cochran's rule).
_MIN_EXPECTED = 5.0
# Far in the tails, where a correction over many columns looks, the limits need larger counts than Cochran's.
_SAFE_EXPECTED = 200.0
# Above this p-value no correction over columns can make a find, and the limits are good from Cochran's count on.
_TAIL = 0.01
# Permutations stop early once this many differ as much: the p-value is then far from small (Besag and Clifford 1991).
_ENOUGH_EXTREME = 20
_MOST_PERMUTATIONS = 100_000
_FIRST_PERMUTATIONS = 500
_RANK_CELLS = 64
_INDEPENDENT = Inflation()

CountArray = NDArray[np.number]


def mann_whitney(reference: FloatArray, current: FloatArray) -> float:
    """Two-sided p-value that one sample tends to lie higher (normal limit, corrected for ties and continuity).

    >>> round(mann_whitney(np.arange(20.0), np.arange(20.0) + 15), 4)
    0.0
    """
    reference, current = (np.sort(finite_sample("A Mann-Whitney test", sample)) for sample in (reference, current))
    return mann_whitney_sorted(reference, current)


def kolmogorov_smirnov(reference: FloatArray, current: FloatArray) -> float:
    """Two-sided p-value that the distribution functions differ anywhere (Kolmogorov's limit)."""
    statistic = "A Kolmogorov-Smirnov test"
    reference, current = (np.sort(finite_sample(statistic, sample)) for sample in (reference, current))
    return kolmogorov_smirnov_sorted(reference, current)


def mann_whitney_sorted(reference: FloatArray, current: FloatArray, inflation: Inflation = _INDEPENDENT) -> float:
    """The Mann-Whitney test of two sorted samples.

    A column of which nearly all rows are tied is tested by permutation: its rank sum is a count of rare rows.
    """
    many, few = len(reference), len(current)
    total = many + few
    below, up_to = (np.searchsorted(current, reference, side=side) for side in ("left", "right"))
    ties, largest = _ties(reference, current, below, up_to)
    variance = many * few / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    excess = abs(float((below + up_to).sum()) / 2 - many * few / 2) - 0.5
    p_value = min(1.0, erfc(max(excess, 0.0) / sqrt(2 * variance)))
    if p_value <= _TAIL and (total - largest) * min(many, few) / total < _SAFE_EXPECTED and largest > total / 2:
        p_value = _permuted_ranks(reference, current)
    return inflation.p_value(p_value)


def kolmogorov_smirnov_sorted(reference: FloatArray, current: FloatArray, inflation: Inflation = _INDEPENDENT) -> float:
    """The Kolmogorov-Smirnov test of two sorted samples; the largest difference stands at a value of the reference."""
    from scipy.special import kolmogorov

    many, few = len(reference), len(current)
    gaps = [
        np.searchsorted(current, reference, side="right") / few - np.searchsorted(reference, reference, "right") / many,
        np.searchsorted(current, reference, side="left") / few - np.searchsorted(reference, reference, "left") / many,
    ]
    distance = max(float(np.abs(gap).max()) for gap in gaps)
    scale = sqrt(many * few / (many + few) / inflation.factor)
    return Inflation(1.0, inflation.degrees).p_value(float(kolmogorov(distance * scale)))


def fisher(reference: tuple[int, int], current: tuple[int, int]) -> float:
    """Two-sided exact p-value that a share differs; each sample as (rows with it, rows without it).

    >>> fisher((0, 20), (0, 5)), round(fisher((1, 99), (5, 5)), 6)
    (1.0, 1.2e-05)
    """
    from scipy.stats import fisher_exact

    table = [counts("Fisher's exact test", sample).astype(np.int64) for sample in (reference, current)]
    if len(table[0]) != 2 or len(table[1]) != 2:
        compared = f"{len(table[0])} and {len(table[1])} counts"
        raise InvalidSample("Fisher's exact test", compared, "two counts in each sample: rows with it and without it")
    return float(min(1.0, fisher_exact(table).pvalue))


def chi_squared(
    reference: FloatArray, current: FloatArray, inflation: Inflation = _INDEPENDENT, *, seed: int = 7
) -> float:
    """P-value that the shares of the levels differ, from counts per level; rare levels are pooled into one.

    Of two levels, and where an expected count is small, it is exact: by Fisher or by permutation given both margins.

    >>> chi_squared(np.array([50.0, 50.0]), np.array([5.0, 5.0]))
    1.0
    """
    reference, current = (counts("A chi-squared test", levels) for levels in (reference, current))
    if len(reference) != len(current):
        compared = f"{len(reference)} and {len(current)} counts"
        raise InvalidSample("A chi-squared test", compared, "a count per level in both samples")
    table = pooled_levels(np.vstack([reference, current]))
    levels = table.shape[1]
    if levels < 2:
        return 1.0
    least = float((table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()).min())
    if levels == 2 and least < _SAFE_EXPECTED:
        whole = table.astype(int).tolist()
        return inflation.p_value(fisher((whole[0][0], whole[0][1]), (whole[1][0], whole[1][1])))
    statistic = _table_distance(table.sum(axis=0), table[1].sum())
    actual = float(statistic(table[1:])[0])
    p_value = inflation.chi_squared_p_value(actual, levels - 1)
    if least >= _SAFE_EXPECTED or (least >= _MIN_EXPECTED and p_value > _TAIL):
        return p_value
    # An exact p-value of dependent rows does not exist: the larger of the two errs on the side of no difference.
    exact = _permuted(actual, statistic, table, seed)
    return exact if inflation.factor == 1 else max(exact, p_value)


def midranks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The rank of each value (ties share the middle one) and the size of each group of ties."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[inverse.reshape(-1)], sizes.astype(np.float64)


def pooled_levels(table: FloatArray) -> FloatArray:
    """Counts (samples × levels) with the levels pooled whose expected count is too small for a chi-squared test."""
    used = table[:, table.sum(axis=0) > 0]
    if used.size == 0 or np.any(used.sum(axis=1) == 0):
        return used[:, :0]
    rare = used.sum(axis=0) * used.sum(axis=1).min() / used.sum() < _MIN_EXPECTED
    if not rare.any():
        return used
    rest = used[:, rare].sum(axis=1, keepdims=True)
    return np.hstack([used[:, ~rare], rest])


def _ties(reference: FloatArray, current: FloatArray, below: CountArray, up_to: CountArray) -> tuple[float, int]:
    """Σ (t³ - t) over the groups of tied values of both samples together, and the size of the largest group."""
    starts = np.flatnonzero(np.concatenate([[True], reference[1:] != reference[:-1]]))
    of_reference = np.diff(np.append(starts, len(reference))).astype(np.float64)
    matched = (up_to - below)[starts].astype(np.float64)
    is_start = np.concatenate([[True], current[1:] != current[:-1]])
    of_current = np.diff(np.append(np.flatnonzero(is_start), len(current))).astype(np.float64)
    both = of_reference + matched
    ties = _cubes(of_current) - _cubes(matched) + _cubes(both)
    return ties, int(max(both.max(initial=0), of_current.max(initial=0)))


def _cubes(sizes: FloatArray) -> float:
    return float((sizes**3 - sizes).sum())


def _permuted_ranks(reference: FloatArray, current: FloatArray) -> float:
    """The Mann-Whitney test by permutation, over cells of equal or neighbouring values of both samples together."""
    values, inverse = np.unique(np.concatenate([reference, current]), return_inverse=True)
    cells = inverse.reshape(-1)
    if len(values) > _RANK_CELLS:
        # The tied value is a cell of its own, because it is most of all rows.
        cells = np.unique(midranks(cells.astype(float))[0], return_inverse=True)[1].reshape(-1)
        tied = int(np.bincount(cells).argmax())
        width = -(-len(values) // _RANK_CELLS)
        cells = np.where(cells < tied, cells // width, np.where(cells == tied, tied // width + 1, cells // width + 2))
    table = np.vstack([np.bincount(side, minlength=cells.max() + 1) for side in np.split(cells, [len(reference)])])
    table = table[:, table.sum(axis=0) > 0].astype(np.float64)
    totals = table.sum(axis=0)
    scores = np.cumsum(totals) - totals / 2 - totals.sum() / 2

    def statistic(drawn: CountArray) -> FloatArray:
        return np.asarray(np.abs(drawn @ scores))

    return _permuted(float(statistic(table[1:])[0]), statistic, table, seed=7)


def _table_distance(totals: FloatArray, rows: float) -> Callable[[CountArray], FloatArray]:
    """Pearson's chi-squared of tables with these totals, from the counts of the current sample (tables × levels)."""
    share = rows / totals.sum()
    expected = totals * share

    def statistic(drawn: CountArray) -> FloatArray:
        return np.asarray(((drawn - expected) ** 2 / expected).sum(axis=-1) / (1 - share))

    return statistic


def _permuted(actual: float, statistic: Callable[[CountArray], FloatArray], table: CountArray, seed: int) -> float:
    """The share of divisions of all rows into two samples of these sizes that differ at least as much."""
    totals, rows = table.sum(axis=0).astype(np.int64), int(table[1].sum())
    rng = np.random.default_rng(seed)
    extreme = drawn = 0
    while drawn < _MOST_PERMUTATIONS and extreme < _ENOUGH_EXTREME:
        size = min(max(_FIRST_PERMUTATIONS, drawn), _MOST_PERMUTATIONS - drawn)
        counts_drawn = rng.multivariate_hypergeometric(totals, rows, size=size, method="marginals")
        # Equal tables must count as equal, whatever the order in which their sums were rounded.
        extreme += int((statistic(counts_drawn) >= actual * (1 - 1e-9)).sum())
        drawn += size
    return (1 + extreme) / (1 + drawn)
