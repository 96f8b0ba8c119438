"""Rejected rows: one line per broken rule, with the value that broke it and the record as it came."""

from __future__ import annotations

import polars as pl

REJECTED_SCHEMA: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "rule": pl.String(),
    "column": pl.String(),
    "value": pl.String(),
    "record": pl.String(),
}


def no_rejected_rows() -> pl.DataFrame:
    """An empty table of rejected rows."""
    return pl.DataFrame(schema=REJECTED_SCHEMA)


def rejected_rows(raw: pl.DataFrame, rows: pl.Series, *, rule: str, columns: tuple[str, ...]) -> pl.DataFrame:
    """The lines for those `rows` (positions in `raw`) that break `rule`; the value is that of `columns`."""
    broken = raw[rows.cast(pl.UInt32)] if rows.len() else raw.clear()
    known = [name for name in columns if name in raw.columns]
    value = pl.concat_str([_as_text(name, raw.schema[name]) for name in known], separator=", ", ignore_nulls=True)
    return broken.select(
        pl.Series("row", rows, dtype=pl.Int64),
        rule=pl.lit(rule),
        column=pl.lit(", ".join(columns)),
        value=pl.when(pl.any_horizontal(pl.col(known).is_not_null())).then(value) if known else pl.lit(None, pl.String),
        record=pl.struct(pl.all()).struct.json_encode(),
    )


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.to_string("iso")
    return pl.col(name).cast(pl.String, strict=False)


def join_rejected(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Several tables of rejected rows as one, in the order of the batch."""
    filled = [part for part in parts if part.height]
    return pl.concat(filled).sort("row", maintain_order=True) if filled else no_rejected_rows()
