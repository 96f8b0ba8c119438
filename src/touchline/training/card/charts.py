"""Small charts as SVG text: they open anywhere, need no library, and the same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 480
_HEIGHT: Final = 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 36, 16, 48
# Told apart with any colour vision (Okabe and Ito 2008).
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True)
class Line:
    """Points of one line; `low` and `high` draw a bar through each where given."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Axes:
    """What a chart shows along its sides; `diagonal` draws where both are equal."""

    title: str
    x: str
    y: str
    diagonal: bool = False


def line_chart(lines: Sequence[Line], axes: Axes) -> str:
    """Lines over common axes.

    >>> "<polyline" in line_chart([Line("said", [0, 1], [0, 1])], Axes("Reliability", "said", "happened"))
    True
    """
    across = [value for line in lines for value in line.x]
    upward = [value for line in lines for value in (*line.y, *line.low, *line.high)]
    if axes.diagonal:
        across, upward = [*across, *upward], [*across, *upward]
    place = _Plane(_range(across), _range(upward))
    drawn = [_frame(axes, place)]
    if axes.diagonal:
        first, last = max(place.x[0], place.y[0]), min(place.x[1], place.y[1])
        ends = f"{place.across(first):.1f},{place.up(first):.1f} {place.across(last):.1f},{place.up(last):.1f}"
        drawn.append(f'<polyline points="{ends}" fill="none" stroke="#999" stroke-dasharray="4 4"/>')
    drawn += [_line(line, place, _COLOURS[i % len(_COLOURS)]) for i, line in enumerate(lines)]
    if len(lines) > 1:
        drawn += [_legend(line.name, i) for i, line in enumerate(lines)]
    return _svg("".join(drawn), axes.title, _HEIGHT)


def bar_chart(values: Mapping[str, float], title: str) -> str:
    """One horizontal bar per name, in the order given."""
    largest = max((abs(value) for value in values.values()), default=1.0) or 1.0
    rows = []
    for place, (name, value) in enumerate(values.items()):
        y, width = _TOP + 22 * place, 250 * abs(value) / largest
        rows.append(f'<text x="170" y="{y + 12}" text-anchor="end">{escape(name[:28])}</text>')
        rows.append(f'<rect x="178" y="{y}" width="{width:.1f}" height="16" fill="{_COLOURS[0]}"/>')
        rows.append(f'<text x="{184 + width:.1f}" y="{y + 12}">{value:.3g}</text>')
    head = f'<text x="{_WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">{escape(title)}</text>'
    return _svg(head + "".join(rows), title, _TOP + 22 * len(values) + 12)


@dataclass(frozen=True)
class _Plane:
    """Where a value lies on the drawing."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        return _LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (_WIDTH - _LEFT - _RIGHT)

    def up(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (_HEIGHT - _TOP - _BOTTOM)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _frame(axes: Axes, place: _Plane) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [
        f'<text x="{_WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">{escape(axes.title)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#444"/>',
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(axes.x)}</text>',
        f'<text x="14" y="{(_TOP + bottom) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(_TOP + bottom) / 2})">{escape(axes.y)}</text>',
    ]
    for step in range(5):
        x = place.x[0] + (place.x[1] - place.x[0]) * step / 4
        y = place.y[0] + (place.y[1] - place.y[0]) * step / 4
        parts.append(f'<text x="{place.across(x):.1f}" y="{bottom + 16}" text-anchor="middle">{x:.3g}</text>')
        parts.append(f'<text x="{_LEFT - 6}" y="{place.up(y) + 4:.1f}" text-anchor="end">{y:.3g}</text>')
    return "".join(parts)


def _line(line: Line, place: _Plane, colour: str) -> str:
    points = [(place.across(x), place.up(y)) for x, y in zip(line.x, line.y, strict=True)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>']
    if len(points) <= 20:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    for (x, _), low, high in zip(points, line.low, line.high, strict=False):
        parts.append(f'<path d="M{x:.1f} {place.up(low):.1f}V{place.up(high):.1f}" stroke="{colour}"/>')
    return "".join(parts)


def _legend(name: str, place: int) -> str:
    x, y = _WIDTH - _RIGHT - 110, _TOP + 8 + 16 * place
    colour = _COLOURS[place % len(_COLOURS)]
    box = f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour}"/>'
    return f'{box}<text x="{x + 16}" y="{y + 9}">{escape(name)}</text>'


def _svg(body: str, title: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="{escape(title)}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{body}</svg>'
    )
