"""The packed row: all features of one entity and view in one value, fixed layout, checksum.

    magic "TL" · version · flags | crc32 | layout id | event | created | null mask | an 8-byte slot a field | tail

Big-endian throughout; stamps are microseconds since 1970 shifted to be unsigned, so that bytes compare like instants.
Text, bytes and serialized values lie in the tail, their slot says where. Standard library only: serving imports this.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

from touchline.errors import CorruptedFeatures

MAGIC, LAYOUT_VERSION = b"TL", 1
STAMPS_AT, STAMPS_LENGTH = 12, 16  # where the two stamps lie: stores compare these bytes to let the newest win
_START = struct.Struct(">2sBBI")
_CHECKED_FROM = _START.size  # the checksum covers everything behind itself
_FRAME = 8  # what stands before the slots: all from the magic to the null mask
_SHIFT = 1 << 63
_SLOTS = {"float": "d", "int": "q", "bool": "q", "timestamp": "q", "str": "Q", "bytes": "Q", "proto": "Q"}
_TAILED = ("str", "bytes", "proto")
_ZEROS = {"d": 0.0, "q": 0, "Q": 0}


class PackedRow(NamedTuple):
    """The content of a packed value. Stamps are microseconds since 1970; a null is None."""

    event: int
    created: int
    values: tuple[Any, ...]


class Layout:
    """The layout of one view's features in a packed value: names and types, in order.

    >>> layout = Layout("form", [("elo", "float"), ("name", "str")])
    >>> layout.unpack(layout.pack(5, 6, (1500.0, None)), "A").values
    (1500.0, None)
    """

    def __init__(self, view: str, fields: Sequence[tuple[str, str]]) -> None:
        self.view = view
        self.fields = tuple((name, kind) for name, kind in fields)
        self.id = crc32(json.dumps(self.fields).encode())
        kinds = [kind for _, kind in self.fields]
        slots = [_SLOTS[kind] for kind in kinds]
        self._mask_length = (len(kinds) + 7) // 8
        self._no_nulls = bytes(self._mask_length)
        body = f"IQQ{self._mask_length}s{''.join(slots)}"
        self._body = struct.Struct(f">{body}")
        self._whole = struct.Struct(f"{_START.format}{body}")
        self._tail_from = self._whole.size
        self._zeros = [_ZEROS[slot] for slot in slots]
        self._special = tuple((index, kind) for index, kind in enumerate(kinds) if kind in (*_TAILED, "bool"))

    def pack(self, event: int, created: int, values: Sequence[Any]) -> bytes:
        """The values (None for null) as bytes."""
        slots: list[Any] = list(self._zeros)
        mask, tail = 0, b""
        for index, value in enumerate(values):
            if value is None:
                mask |= 1 << index
            else:
                slots[index] = value
        for index, kind in self._special:
            if kind in _TAILED and not mask >> index & 1:
                data = slots[index].encode() if kind == "str" else bytes(slots[index])
                slots[index] = len(tail) << 32 | len(data)
                tail += data
        nulls = mask.to_bytes(self._mask_length, "big")
        body = self._body.pack(self.id, event + _SHIFT, created + _SHIFT, nulls, *slots) + tail
        return _START.pack(MAGIC, LAYOUT_VERSION, 0, crc32(body)) + body

    def unpack(self, data: bytes, key: str | bytes) -> PackedRow:
        """The decoded bytes; raises `CorruptedFeatures` if the checksum or the layout does not fit.

        `key` names the entity in that error: as text, or by its online key.
        """
        if len(data) < self._tail_from:
            raise self._corrupted(data, key)
        found = self._whole.unpack_from(data)
        magic, version, _, checksum, layout, event, created, nulls = found[:_FRAME]
        if layout != self.id or crc32(data[_CHECKED_FROM:]) != checksum or magic != MAGIC or version != LAYOUT_VERSION:
            raise self._corrupted(data, key)
        values = found[_FRAME:]
        if self._special or nulls != self._no_nulls:
            values = self._translated(data, list(values), nulls)
        # What PackedRow(...) gives, in a third of the time.
        return tuple.__new__(PackedRow, (event - _SHIFT, created - _SHIFT, values))

    def _translated(self, data: bytes, slots: list[Any], nulls: bytes) -> tuple[Any, ...]:
        """Slots as values: truths, what lies in the tail, nulls."""
        for index, kind in self._special:
            slots[index] = bool(slots[index]) if kind == "bool" else self._tail_value(data, slots[index], kind)
        if nulls != self._no_nulls:
            _set_nulls(slots, int.from_bytes(nulls, "big"))
        return tuple(slots)

    def _tail_value(self, data: bytes, slot: int, kind: str) -> str | bytes:
        start = self._tail_from + (slot >> 32)
        part = data[start : start + (slot & 0xFFFFFFFF)]
        return part.decode() if kind == "str" else part

    def _corrupted(self, data: bytes, key: str | bytes) -> CorruptedFeatures:
        """The fault of bytes that were refused."""
        name = key if isinstance(key, str) else key.split(b":", 4)[-1].decode(errors="replace")
        if len(data) < self._tail_from:
            return CorruptedFeatures(self.view, name, f"{len(data)} bytes", f"at least {self._tail_from}")
        magic, version, _, checksum = _START.unpack_from(data)
        if magic != MAGIC or version != LAYOUT_VERSION:
            return CorruptedFeatures(self.view, name, f"{magic!r} version {version}", f"{MAGIC!r} {LAYOUT_VERSION}")
        found = crc32(memoryview(data)[_CHECKED_FROM:])
        if found != checksum:
            return CorruptedFeatures(self.view, name, f"checksum {found:08x}", f"{checksum:08x}")
        layout = int.from_bytes(data[_CHECKED_FROM : _CHECKED_FROM + 4], "big")
        return CorruptedFeatures(self.view, name, f"layout {layout:08x}", f"{self.id:08x}")


def _set_nulls(slots: list[Any], mask: int) -> None:
    while mask:
        lowest = mask & -mask
        slots[lowest.bit_length() - 1] = None
        mask ^= lowest


def stamps(data: bytes) -> tuple[int, int]:
    """Event and created stamp of a packed value, read without its layout."""
    event, created = struct.unpack_from(">QQ", data, STAMPS_AT)
    return event - _SHIFT, created - _SHIFT
