"""The metadata beside a view's online rows: the watermark up to which they are complete, and their history."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from touchline.errors import CorruptedFeatures

_HEAD = struct.Struct(">3sBIqq")
_MAGIC, _VERSION = b"TLM", 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT_BELOW = 2**31 * 1_000_000  # until 2038 a float of seconds holds microseconds with room to round


@dataclass(frozen=True)
class ViewMetadata:
    """The record of a materialization: everything known by `watermark` (microseconds since 1970) is online."""

    layout_id: int
    watermark: int
    materialized: int
    history: str = ""
    rows: int = 0

    def pack(self) -> bytes:
        rest = json.dumps({"history": self.history, "rows": self.rows}).encode()
        return _HEAD.pack(_MAGIC, _VERSION, self.layout_id, self.watermark, self.materialized) + rest

    @classmethod
    def unpack(cls, data: bytes, view: str) -> ViewMetadata:
        _, _, layout_id, watermark, materialized = _head(data, view)
        return cls(layout_id, watermark, materialized, **json.loads(data[_HEAD.size :]))


def watermark_in(data: bytes, view: str) -> int:
    """The watermark alone, as fast as a request needs it."""
    watermark: int = _head(data, view)[3]
    return watermark


def micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant, exact."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(value: int) -> datetime:
    """The aware UTC instant of microseconds since 1970.

    >>> instant_of(micros(datetime(2024, 5, 1, tzinfo=UTC))).isoformat()
    '2024-05-01T00:00:00+00:00'
    """
    if 0 <= value < _EXACT_BELOW:
        return datetime.fromtimestamp(value / 1e6, UTC)  # twice as fast
    return _EPOCH + timedelta(microseconds=value)


def _head(data: bytes, view: str) -> tuple[bytes, int, int, int, int]:
    if len(data) < _HEAD.size or data[:4] != _MAGIC + bytes([_VERSION]):
        raise CorruptedFeatures(view, "its metadata", repr(data[:4]), repr(_MAGIC + bytes([_VERSION])))
    return _HEAD.unpack_from(data)
