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
NO_ID = re.compile(r"(^|_)(year|yr|jahr|ann[eé]e|año|anio|anno|epoch|unix|timestamp|ts|time)")
# The end of what a row is about: where a table has another time, a row is known from that one on.
END_NAMES = re.compile(
    r"(^|_)(drop_?off|clos(?:ed|ing)|end(?:ed)?|finish(?:ed)?|complet(?:ed|ion)|arriv(?:ed|al)|landed|return(?:ed)?|"
    r"resolved|deliver(?:ed|y)|shipped|shipping|ship|cancell?ed|paid|last|updated|modified)(_|$)"
)

# Columns of one time share what stands around the part: `arrival_date_year` and `arrival_date_month`, `yr_sold` and
# `mo_sold`.
_WORDS = {
    "year": "year|yr|jahr|ann[eé]e|año|anio|anno",
    "month": "month|mon|mnth|mo|monat|mois|mes|mese",
    "day": "day_of_month|day|dom|mday|tag|jour|d[ií]a|giorno",
    "hour": "hour|hr|stunde|heure|hora|ora",
}
_PARTS = {part: re.compile(rf"(?P<prefix>(?:.*_)?)(?:{words})(?P<suffix>(?:_.*)?)") for part, words in _WORDS.items()}
MONTH_NAMES = tuple(month_name[place].lower() for place in range(1, 13))
_MONTH_WORDS = {word for name in MONTH_NAMES for word in (name, name[:3])}
_ALLOWED = {"year": (1700, 2200), "month": (1, 12), "day": (1, 31), "hour": (0, 23)}
# A shorter stretch of a cycle looks like a trend.
_SPANS = {"season": timedelta(days=360), "week": timedelta(days=21), "day": timedelta(days=3)}


# Whole numbers that are a day or an instant: days since 1900 of a spreadsheet from 1954 on, 20210331, and seconds,
# milliseconds and microseconds since 1970 from 1990 on.
_INSTANTS = (
    *((20_000, 80_000), (19_000_101, 21_001_231), (630_000_000, 4_200_000_000)),
    *((630_000_000_000, 4_200_000_000_000), (630_000_000_000_000, 4_200_000_000_000_000)),
)


def may_be_instants(name: str, least: int, most: int) -> bool:
    """Whether whole numbers are a time by the name of their column, which may hold the years alone, or by their size.

    >>> may_be_instants("when", 1_614_589_500, 1_629_000_000), may_be_instants("day", 1, 31)
    (True, False)
    """
    in_range = any(low <= least and most <= high for low, high in _INSTANTS)
    return bool(NO_ID.search(name)) or (in_range and bool(TIME_NAMES.search(name)))


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
    frames = [match.groups() for column in table.columns if (match := _PARTS["year"].fullmatch(column))]
    for frame in sorted(frames, key=lambda around: len("".join(around))):
        columns = _parts_within(frame, table)
        if NO_EVENT.search("_".join(frame)) or len(columns) < 2:
            continue
        parts = TimeParts(name, columns, len(columns) == 4, table[columns[1]].dtype == pl.String)
        times = parts.values(table)
        if not times.null_count() and times.n_unique() > 1:
            return parts
    return None


def _parts_within(frame: tuple[str, ...], table: pl.DataFrame) -> tuple[str, ...]:
    """The columns of one prefix and suffix, from the year on as far as there are parts."""
    found: list[str] = []
    for part, pattern in _PARTS.items():
        matches = {column: pattern.fullmatch(column) for column in table.columns}
        named = [column for column, match in matches.items() if match and match.groups() == frame]
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
