"""The SHA-256 of a table's content, and the bytes it is stored as."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray


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
    parts: list[memoryview | bytes] = [b"-"]
    is_null = None
    if column.null_count():
        is_null = column.is_null().to_numpy()
        parts = [np.packbits(is_null).tobytes()]
    if column.dtype == pl.String:
        lengths = column.str.len_bytes()
        parts.append(_buffer((lengths if is_null is None else lengths.fill_null(0)).cast(pl.UInt64)))
        parts.append((column.str.join("", ignore_nulls=True).item() or "").encode())
    elif column.dtype == pl.Boolean:
        parts.append(np.packbits(column.fill_null(False).to_numpy()).tobytes())
    elif column.dtype.is_float():
        numbers = column.cast(pl.Float64).to_numpy()
        if (is_nan := np.isnan(numbers)).any():  # NaN has many spellings; nulls are NaN here, too
            numbers = np.where(is_nan, np.nan, numbers)
        if is_null is not None:
            numbers[is_null] = 0.0
        parts.append(_little_endian(numbers))
    elif column.dtype.is_temporal() or column.dtype.is_integer():
        whole = column.to_physical().cast(pl.Int64)
        parts.append(_buffer(whole if is_null is None else whole.fill_null(0)))
    else:
        parts.append(json.dumps(column.to_list(), default=str, ensure_ascii=False).encode())
    return parts


def _buffer(column: pl.Series) -> memoryview:
    return _little_endian(column.to_numpy())


def _little_endian(values: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).data
