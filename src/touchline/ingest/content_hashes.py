"""The SHA-256 of a table's content, and the bytes it is stored as."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import polars as pl


def content_hash(frame: pl.DataFrame) -> str:
    """A hash of column names, types and values in row order, the same on every machine and library version.

    >>> content_hash(pl.DataFrame({"a": [1, None]}))[:12]
    'ebc48ad4eb5d'
    """
    digest = sha256()
    header = [[name, str(dtype)] for name, dtype in frame.schema.items()]
    digest.update(json.dumps([header, frame.height], ensure_ascii=False).encode())
    for column in frame.iter_columns():
        for part in _parts(column):
            digest.update(part)
    return digest.hexdigest()


def _parts(column: pl.Series) -> list[memoryview | bytes]:
    """Little-endian buffers that spell a column: where it is null, then its values, nulls as zero."""
    parts: list[memoryview | bytes] = []
    if column.null_count():
        parts.append(np.packbits(column.is_null().to_numpy()).tobytes())
    else:
        parts.append(b"-")
    if column.dtype == pl.String:
        parts.append(_buffer(column.str.len_bytes().fill_null(0).cast(pl.UInt64)))
        parts.append((column.str.join("", ignore_nulls=True).item() or "").encode())
    elif column.dtype == pl.Boolean:
        parts.append(np.packbits(column.fill_null(False).to_numpy()).tobytes())
    elif column.dtype.is_float():
        parts.append(_buffer(column.cast(pl.Float64).fill_nan(float("nan")).fill_null(0.0) + 0.0))  # -0.0 is 0.0
    elif column.dtype.is_temporal() or column.dtype.is_integer():
        parts.append(_buffer(column.to_physical().cast(pl.Int64).fill_null(0)))
    else:
        parts.append(json.dumps(column.to_list(), default=str, ensure_ascii=False).encode())
    return parts


def _buffer(column: pl.Series) -> memoryview:
    values = column.to_numpy()
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).data
