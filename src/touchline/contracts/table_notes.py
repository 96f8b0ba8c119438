"""Facts about an inferred table, and questions to the person who knows it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import polars as pl

from touchline.contracts.dirty_cells import find_dirty_cells
from touchline.contracts.table_times import NO_EVENT, TIME_NAMES, may_be_instants

if TYPE_CHECKING:
    from touchline.contracts.inference import Inference, InferredField

_FEW_OF_A_CLASS = 5
_ENOUGH_ROWS = 50


def table_notes(inference: Inference, typed: pl.DataFrame, table: pl.DataFrame) -> Iterator[str]:
    """Notes on the target, repeated rows and the time; `table` holds the columns as the file spells them."""
    fields = {field.name: field for field in inference.fields}
    if inference.target is not None:
        target = fields[inference.target]
        yield from _target_notes(target, table[target.column], inference.task)
    # A pair of columns that identifies a row tells about it; a number or an id does not.
    values = typed.drop(inference.key, strict=False) if len(inference.key) == 1 else typed
    if values.width and (repeated := values.height - values.n_unique()):
        yield f"{repeated} rows repeat another row exactly; a random split keeps equal rows of one class on one side"
    for field in fields.values():
        if field.kind == "str" and field.column in table.columns and (cells := find_dirty_cells(table[field.column])):
            yield cells.note(field.name)
        if field.name != inference.target:
            yield from _column_notes(field, inference)
        if field.kind == "str" and field.column in table.columns and _may_be_time(field.name, table[field.column]):
            yield (
                f"{field.name} is read as text, though its name says a time: {table[field.column].drop_nulls()[0]!r} "
                "is no spelling of one that init knows; make it a date or an instant (prepare=, or Annotated[date, "
                "DateFormat(...)]) and name it as event_time if a row became known then"
            )


def _column_notes(field: InferredField, inference: Inference) -> Iterator[str]:
    if field.kind in ("date", "datetime") and NO_EVENT.search(field.name):
        yield f"{field.name} is not taken as the time of a row: its name says another thing"
    if field.levels and len(field.levels) != len({_bare(level) for level in field.levels}):
        yield (
            f"levels of {field.name} differ by case, blanks or a dot at the end alone: {_alike(field.levels)}; are "
            "they one level?"
        )
    if field.kind != "int" or field.identity or field.levels or inference.event_time:
        return
    if field.least is not None and may_be_instants(field.name, int(field.least), int(str(field.most))):
        yield (
            f"{field.name} looks like a time and is read as a number: if a row became known then, make it a date or "
            "an instant (prepare=) and name it as event_time, so that the split is by time"
        )
    elif field.distinct == inference.rows >= _ENOUGH_ROWS:
        yield f"{field.name} is another whole number in every row: if it only identifies the row, take it out of INPUTS"


def _bare(level: object) -> str:
    plain = unicodedata.normalize("NFKC", str(level)).casefold()
    return "".join(plain.split()).rstrip(".") or plain


def _may_be_time(name: str, column: pl.Series) -> bool:
    """Whether texts with a year in them stand below the name of a time."""
    given = column.drop_nulls()
    has_years = given.len() > 0 and given.dtype == pl.String and bool(given.str.contains(r"(19|20)\d\d").all())
    return has_years and bool(TIME_NAMES.search(name)) and not NO_EVENT.search(name)


def _alike(levels: Iterable[object]) -> str:
    words = list(levels)
    bare = [_bare(word) for word in words]
    return ", ".join(repr(word) for word, form in zip(words, bare, strict=True) if bare.count(form) > 1)


def _target_notes(target: InferredField, column: pl.Series, task: str | None) -> Iterator[str]:
    if target.kind == "int" and task == "regression" and target.distinct <= 100:
        yield f"{target.name} is taken as a number; say --task classification if its values are classes"
    if target.kind == "int" and task != "regression":
        yield f"{target.name} is taken as {target.distinct} classes; say --task regression if it is a number"
    if target.nulls:
        yield f"{target.nulls} rows have no {target.name}: nothing is learned from them, they are rows to predict"
    if task != "regression":
        counts = column.drop_nulls().value_counts()
        rare = counts.filter(pl.col("count") < _FEW_OF_A_CLASS).sort(column.name)
        if rare.height and target.kind != "bool":
            shown = ", ".join(f"{value} ({count} rows)" for value, count in rare.head(5).iter_rows())
            yield (
                f"{rare.height} classes of {target.name} are too rare to learn and to test: {shown}; merge them with "
                "another class, or leave their rows out"
            )
    if column.dtype != pl.String:
        return
    spellings = column.str.strip_chars().drop_nulls().unique().sort()
    if target.kind == "bool":
        yield f"{', '.join(spellings)} of {target.name} are read as true and false"
    elif target.levels and (alike := _alike(spellings)):
        yield f"{alike} of {target.name} differ by case, blanks or a dot at the end alone: are they one class?"
