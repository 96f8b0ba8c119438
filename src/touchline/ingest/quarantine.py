"""Rejected rows: kept with their reasons, counted, and told in a sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from touchline.contracts import REJECTED_SCHEMA, rejected_rows
from touchline.storage import parquet_bytes

if TYPE_CHECKING:
    from touchline.ingest.manifests import Manifest
    from touchline.ingest.spec import Source
    from touchline.storage import ObjectStore

_SHOWN_RULES = 3


@dataclass(frozen=True)
class BrokenRule:
    """A rule, how many rows break it, and the first of them."""

    rule: str
    rows: int
    first_row: int
    first_value: str | None
    first_record: str


def broken_rules(rejected: pl.DataFrame) -> list[BrokenRule]:
    """The rules broken in a batch, the most frequent first."""
    grouped = (
        rejected.sort("row", maintain_order=True)
        .group_by("rule", maintain_order=True)
        .agg(rows=pl.len(), row=pl.first("row"), value=pl.first("value"), record=pl.first("record"))
        .sort("rows", descending=True, maintain_order=True)
    )
    return [BrokenRule(*row) for row in grouped.iter_rows()]


def describe_rejected(rejected: pl.DataFrame, rows_in: int, keys: tuple[str, ...] = ()) -> str:
    """One sentence: how many rows break which rules, with the key and the value of the first."""
    parts = [
        f"{rule.rows} of {rows_in} rows break {rule.rule!r} (first: {_first(rule, keys)})"
        for rule in broken_rules(rejected)
    ]
    more = f"; {len(parts) - _SHOWN_RULES} more rules" if len(parts) > _SHOWN_RULES else ""
    return "; ".join(parts[:_SHOWN_RULES]) + more


def _first(rule: BrokenRule, keys: tuple[str, ...]) -> str:
    value = "null" if rule.first_value is None else rule.first_value
    try:
        record = json.loads(rule.first_record)
        named = ", ".join(f"{key} {record[key]}" for key in keys)
    except (ValueError, KeyError, TypeError):  # a line that was no row
        named = ""
    return f"{named or f'row {rule.first_row + 1}'}, {value}"


def broken_lines(lines: pl.DataFrame, first_row: int) -> pl.DataFrame:
    """Lines that were no rows, numbered after the rows of the batch."""
    return lines.select(
        row=pl.int_range(first_row, first_row + lines.height, dtype=pl.Int64),
        rule=pl.lit("has as many fields as the header"),
        column=pl.lit(""),
        value="value",
        record="record",
    )


def too_far_ahead(raw: pl.DataFrame, positions: pl.Series, source: Source) -> pl.DataFrame:
    """Rows whose event lies further in the future than the source allows."""
    column = source.event_time or source.known_at or ""
    days = source.look_ahead.total_seconds() / 86400
    return rejected_rows(raw, positions, rule=f"{column} is at most {days:g} days in the future", columns=(column,))


def conflicting_keys(source: Source, positions: pl.Series, raw: pl.DataFrame) -> pl.DataFrame:
    """All rows of a key that the batch gives two different rows for: nothing says which is right."""
    verb = "names" if len(source.keys) == 1 else "together name"
    return rejected_rows(raw, positions, rule=f"{' and '.join(source.keys)} {verb} one row", columns=source.keys)


def write_quarantine(manifest_key: str, rejected: pl.DataFrame, objects: ObjectStore) -> None:
    """Keep the rejected rows under their ingest; none, no object."""
    if rejected.height:
        objects.write(manifest_key, parquet_bytes(rejected))


def read_quarantine(manifest: Manifest, objects: ObjectStore) -> pl.DataFrame:
    """The rejected rows of one ingest: row, rule, column, value and the record as it came."""
    if not objects.exists(manifest.quarantine_key):
        return pl.DataFrame(schema=REJECTED_SCHEMA)
    return pl.read_parquet(objects.local_path(manifest.quarantine_key))
