"""The course of a rollout's test as a picture of letters."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from touchline.rollout import CurvePoint

_ROWS: Final = 9


def picture_of(curve: Sequence[CurvePoint]) -> list[str]:
    """A legend, and lines with the mean gain (o) and its bounds (|) from the first look, left, to the newest.

    Above the line of 0 the candidate is better. Looks without bounds, below 30 units, are left out.
    """
    points = [point for point in curve if isfinite(point.low)]
    if len(points) < 2:
        return []
    # The first bounds are so wide that they would flatten all others.
    edge = 1.2 * max(max(abs(point.low), abs(point.high)) for point in points[len(points) // 4 :]) or 1.0
    levels = [edge * (1 - 2 * row / (_ROWS - 1)) for row in range(_ROWS)]
    half = edge / (_ROWS - 1)
    lines = [f"{level:+9.4f} {''.join(_letter(point, level, half) for point in points)}".rstrip() for level in levels]
    first, last = f"{points[0].units} units", f"{points[-1].units}"
    legend = "gain by units: o the mean, | its bounds; above 0 the candidate has the lower loss"
    return [legend, *lines, f"{'':10}{first}{last:>{max(1, len(points) - len(first))}}"]


def _letter(point: CurvePoint, level: float, half: float) -> str:
    if abs(point.gain - level) <= half:
        return "o"
    if point.low - half <= level <= point.high + half:
        return "|"
    return "-" if abs(level) < half else " "
