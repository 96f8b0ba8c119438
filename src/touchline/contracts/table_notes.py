"""Facts about an inferred table, and questions to the person who knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from touchline.contracts.infer import Inference, InferredField

# Dates that are attributes of a person or a contract, not the moment when the row became known.
NO_EVENT = re.compile(r"birth|dob|born|expir|due|deadline|valid_|until|maturity|end_date|hired")
_CALENDAR_PARTS = ("year", "month", "day", "hour")


def table_notes(inference: Inference, typed: pl.DataFrame, table: pl.DataFrame) -> Iterator[str]:
    """Notes on the target, repeated rows and the time; `table` holds the columns as the file spells them."""
    fields = {field.name: field for field in inference.fields}
    if inference.target is not None:
        target = fields[inference.target]
        yield from _target_notes(target, table[target.column], inference.task)
    # A pair of columns that identifies a row tells about it; a number or an id does not.
    values = typed.drop(inference.key, strict=False) if len(inference.key) == 1 else typed
    if values.width and (repeated := values.height - values.n_unique()):
        yield f"{repeated} rows repeat another row exactly; a random split keeps equal rows on one side"
    parts = [part for part in _CALENDAR_PARTS if part in fields]
    if inference.event_time is None and "year" in parts and len(parts) > 1:
        yield (
            f"{', '.join(parts)} look like the time of a row: is that when it became known? Then join them to one "
            "column with prepare= and name it as event_time, so that the split is by time"
        )
    for field in fields.values():
        if field.kind in ("date", "datetime") and NO_EVENT.search(field.name):
            yield f"{field.name} is not taken as the time of a row: its name says another thing"


def _target_notes(target: InferredField, column: pl.Series, task: str | None) -> Iterator[str]:
    if target.kind == "int" and task == "regression" and target.distinct <= 100:
        yield f"{target.name} is taken as a number; say --task classification if its values are classes"
    if target.kind == "int" and task != "regression":
        yield f"{target.name} is taken as {target.distinct} classes; say --task regression if it is a number"
    if column.dtype != pl.String:
        return
    spellings = column.str.strip_chars().drop_nulls().unique().sort()
    if target.kind == "bool":
        yield f"{', '.join(spellings)} of {target.name} are read as true and false"
    elif target.levels:
        alike = [word for word in spellings if (spellings.str.to_lowercase() == word.lower()).sum() > 1]
        if alike:
            yield f"{', '.join(map(repr, alike))} of {target.name} differ by case alone: are they one class?"
