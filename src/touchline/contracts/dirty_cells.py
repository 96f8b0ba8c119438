"""The cells that alone keep a column of text from being numbers or times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from touchline.contracts.fields import FieldSpec, Kind
from touchline.contracts.parse import parse_column

# A column where fewer cells than this are numbers is text on purpose, such as ticket numbers.
_LEAST_SHARE = 2 / 3
_SHOWN = 5
_NUMBER = r"^[-+]?\p{Sc}?(\d+|\d{1,3}([.,'  ]\d{3})+)([.,]\d+)?([eE][-+]?\d+)?\s?[%\p{Sc}]?$"
_DATE_FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y")


@dataclass(frozen=True)
class DirtyCells:
    """Cells of a column whose others are all of one kind: how many of how many, and the first of each spelling."""

    kind: Literal["numbers", "dates", "instants"]
    cells: int
    given: int
    first: tuple[tuple[str, int], ...]
    """The value and its row, counted from 1; one for each spelling."""

    def note(self, column: str) -> str:
        """The note for a person: the cells, the effect and what to do."""
        shown = ", ".join(f"{value!r} (row {row})" for value, row in self.first[:_SHOWN])
        more = f" and {len(self.first) - _SHOWN} other spellings" if len(self.first) > _SHOWN else ""
        return (
            f"{column} is read as text, because {self.cells} of its {self.given} values are no {self.kind}: "
            f"{shown}{more}. If they are mistakes, correct these cells and run init again; if they mean that the value "
            "is missing, list them in null_values= of the provider and declare the field as a number or a time that "
            "may be None"
        )


def find_dirty_cells(column: pl.Series) -> DirtyCells | None:
    """The dirty cells of a column that was read as text; None where it is text on purpose, or clean.

    >>> found = find_dirty_cells(pl.Series(["80.5", "12,5 kg", "71", "n/a", "64", "90", "55"]))
    >>> found.kind, found.cells, found.first
    ('numbers', 2, (('12,5 kg', 2), ('n/a', 4)))
    """
    if column.dtype != pl.String:
        return None
    texts = column.str.strip_chars()
    is_given = (texts != "").fill_null(False)
    given = int(is_given.sum())
    is_code = texts.str.contains(r"^0\d").fill_null(False).any()
    for kind, fits in _fits_by_kind(texts):
        dirty = is_given & ~fits.fill_null(False)
        count = int(dirty.sum())
        if kind == "numbers" and is_code:  # a postcode with a letter in it
            continue
        if 0 < count <= given * (1 - _LEAST_SHARE):
            rows = pl.DataFrame({"value": texts, "row": range(1, len(texts) + 1)}).filter(dirty)
            first = rows.group_by("value").agg(pl.col("row").min()).sort("row")
            return DirtyCells(kind, count, given, tuple(first.iter_rows()))
    return None


def _fits_by_kind(texts: pl.Series) -> list[tuple[Literal["numbers", "dates", "instants"], pl.Series]]:
    """The cells that are numbers, dates of one form, or instants."""
    dates = [_parses(texts, "date", form) for form in _DATE_FORMS]
    return [
        ("numbers", texts.str.contains(_NUMBER) | texts.cast(pl.Float64, strict=False).is_not_null()),
        ("dates", max(dates, key=lambda fits: int(fits.sum()))),
        ("instants", _parses(texts, "datetime")),
    ]


def _parses(texts: pl.Series, kind: Kind, *formats: str) -> pl.Series:
    spec = FieldSpec("value", kind, True, False, None, (), (), formats, "any")
    return parse_column(spec, texts, "UTC").values.is_not_null()
