"""The time of a row in a table that nobody has declared: columns that join to one, and the cycles it goes through."""

from __future__ import annotations

import re
from calendar import month_name
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl

Cycle = Literal["season", "week", "day"]

TIME_NAMES = re.compile(r"(date|time|day|_at|timestamp|created|kick_?off|start|month|week|when|period|^ts$)")
# Dates that are attributes of a person or a contract, not the moment when the row became known.
NO_EVENT = re.compile(r"birth|dob|born|expir|due|deadline|valid_|until|maturity|end_date|hired")
# Whole numbers in order that are a time, not an id.
NO_ID = re.compile(r"(^|_)(year|yr|epoch|unix|timestamp|ts|time)")

# Columns of one time have one prefix, such as that of `arrival_date_year` and `arrival_date_month`.
_PARTS = {
    "year": re.compile(r"(?P<prefix>(?:.*_)?)(year|yr)"),
    "month": re.compile(r"(?P<prefix>(?:.*_)?)(month|mon|mnth)"),
    "day": re.compile(r"(?P<prefix>(?:.*_)?)(day_of_month|day|dom|mday)"),
    "hour": re.compile(r"(?P<prefix>(?:.*_)?)(hour|hr)"),
}
MONTH_NAMES = tuple(month_name[place].lower() for place in range(1, 13))
_MONTH_WORDS = {word for name in MONTH_NAMES for word in (name, name[:3])}
_ALLOWED = {"year": (1700, 2200), "month": (1, 12), "day": (1, 31), "hour": (0, 23)}
# A shorter stretch of a cycle looks like a trend.
_SPANS = {"season": timedelta(days=360), "week": timedelta(days=21), "day": timedelta(days=3)}


@dataclass(frozen=True)
class TimeParts:
    """Columns that are the time of a row together, the largest unit first; `name` is the new one.

    They hold whole numbers, with `has_month_names` the month as an English word: January, or Jan.
    """

    name: str
    columns: tuple[str, ...]
    has_hours: bool
    has_month_names: bool = False

    @property
    def form(self) -> str:
        """The format string that joins the columns, as `polars.format` reads it: `2021-2-28`, `2021-2-28 13:00`."""
        return {2: "{}-{}-1", 3: "{}-{}-{}", 4: "{}-{}-{} {}:00"}[len(self.columns)]

    @property
    def date_form(self) -> str:
        """How the joined text is read; `%B` reads whole names and their first three letters."""
        return "%Y-%B-%d" if self.has_month_names else "%Y-%m-%d"

    def values(self, table: pl.DataFrame) -> pl.Series:
        """The times: days, or hours in UTC; null where the parts are no time."""
        texts = table.select(pl.format(self.form, *self.columns).alias(self.name)).to_series()
        if self.has_hours:
            return texts.str.to_datetime(f"{self.date_form} %H:%M", time_unit="us", time_zone="UTC", strict=False)
        return texts.str.to_date(self.date_form, strict=False)


def find_time_parts(table: pl.DataFrame) -> TimeParts | None:
    """Year and month, and day and hour where there are such columns, all within their range and never null."""
    name = "row_time"
    while name in table.columns:
        name += "_2"
    prefixes = [match["prefix"] for column in table.columns if (match := _PARTS["year"].fullmatch(column))]
    for prefix in sorted(prefixes, key=len):
        columns = _parts_below(prefix, table)
        if NO_EVENT.search(prefix) or len(columns) < 2:
            continue
        parts = TimeParts(name, columns, len(columns) == 4, table[columns[1]].dtype == pl.String)
        times = parts.values(table)
        if not times.null_count() and times.n_unique() > 1:
            return parts
    return None


def _parts_below(prefix: str, table: pl.DataFrame) -> tuple[str, ...]:
    """The columns of one prefix, from the year on as far as there are parts."""
    found: list[str] = []
    for part, pattern in _PARTS.items():
        matches = {column: pattern.fullmatch(column) for column in table.columns}
        named = [column for column, match in matches.items() if match and match["prefix"] == prefix]
        fitting = [column for column in named if column not in found and _is_part(table[column], part)]
        if not fitting:
            break
        found.append(fitting[0])
    return tuple(found)


def _is_part(column: pl.Series, part: str) -> bool:
    if part == "month" and column.dtype == pl.String:
        words = set(column.unique().str.strip_chars().str.to_lowercase()) if column.len() else {""}
        return words <= _MONTH_WORDS
    return _is_within(column, part)


def _is_within(column: pl.Series, part: str) -> bool:
    least, most = _ALLOWED[part]
    return column.dtype == pl.Int64 and column.len() > 0 and bool(column.is_between(least, most).fill_null(False).all())


def cycles_of(times: pl.Series) -> tuple[Cycle, ...]:
    """The cycles that the times go through long enough to learn them, at several moments of each."""
    given = times.drop_nulls()
    if given.is_empty():
        return ()
    span = given.max() - given.min()  # type: ignore[operator]  # both are dates, or both instants
    assert isinstance(span, timedelta)
    moments = {"season": given.dt.month(), "week": given.dt.weekday()}
    if isinstance(given.dtype, pl.Datetime):
        moments["day"] = given.dt.hour()
    return tuple(cycle for cycle, seen in moments.items() if span >= _SPANS[cycle] and seen.n_unique() > 1)  # type: ignore[misc]  # keys are cycles
