"""The seasons of a rehearsal, and the standard errors that their differences give: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from touchline.rehearsal.stepped_run import Steps

Array = NDArray[np.float64]
_DAYS_A_YEAR: Final = 365.25
# A season with less than this share of the mean season's steps is no season of its own: it joins the one before.
_WHOLE: Final = 0.5


def season_of_steps(steps: Steps, first_step: int, count: int) -> NDArray[np.int64]:
    """The season of each step: years counted from the first step of the rehearsal."""
    days = np.array([(steps.at(first_step + step) - steps.first).days for step in range(count)])
    return (days // _DAYS_A_YEAR).astype(np.int64)


def season_name(steps: Steps, season: int) -> str:
    """`2005` for a year from January on, else `2005/06`."""
    start = steps.first.year + season
    return f"{start}" if steps.first.month == 1 else f"{start}/{(start + 1) % 100:02d}"


def sums_by_season(values: Array, seasons: NDArray[np.int64]) -> Array:
    """The sum of each season; a short one at the end joins the one before."""
    _, numbers = np.unique(seasons, return_inverse=True)
    steps = np.bincount(numbers)
    sums = np.bincount(numbers, weights=values)
    if len(sums) > 1 and steps[-1] < _WHOLE * steps[:-1].mean():
        sums = np.append(sums[:-2], sums[-2] + sums[-1])
    return np.asarray(sums)


def error_of_sum(sums: Array) -> float | None:
    """The standard error of the sum over seasons, which count as independent; None for a single one."""
    return float(np.sqrt(len(sums)) * sums.std(ddof=1)) if len(sums) > 1 else None


def error_of_ratio(numerators: Array, denominators: Array) -> float | None:
    """The standard error of a ratio of sums over seasons, by the jackknife; None for a single one."""
    count = len(numerators)
    left = denominators.sum() - denominators
    if count < 2 or not left.all():
        return None
    without = (numerators.sum() - numerators) / left
    return float(np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum()))
