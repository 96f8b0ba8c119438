"""Bounds for a share."""

from __future__ import annotations

from touchline.errors import InvalidSample
from touchline.statistics.samples import open_probability


def clopper_pearson(hits: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided bounds of a share; (0, 1) when nothing was tried.

    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)
    (0.0, 0.3085)
    """
    from scipy.special import betaincinv

    open_probability("Bounds of a share", "confidence", confidence)
    if not 0 <= hits <= trials:
        raise InvalidSample("Bounds of a share", f"{hits} hits in {trials} trials", "0 to as many hits as trials")
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits == trials else float(betaincinv(hits + 1, trials - hits, 1 - tail))
    return low, high
