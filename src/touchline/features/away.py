"""What reading does while the online store is away: last values of this process, a copy, or a clear error."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from touchline.features.online_store import OnlineStore


class Away(Protocol):
    """Where values come from while the store does not answer."""

    def keep(self, found: Mapping[bytes, bytes | None]) -> None:
        """See what the store answered."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values as far as they are known here."""


class LastValues:
    """The last answers of the store, at most `limit` of them, the longest unused dropped first.

    >>> kept = LastValues(limit=1)
    >>> kept.keep({b"a": b"1", b"b": b"2"})
    >>> kept.read([b"a", b"b"])
    [None, b'2']
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._values: OrderedDict[bytes, bytes] = OrderedDict()

    def keep(self, found: Mapping[bytes, bytes | None]) -> None:
        values = self._values
        for key, value in found.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
                values.move_to_end(key)
        while len(values) > self._limit:
            values.popitem(last=False)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._values.get(key) for key in keys]


class StoreCopy:
    """A second store that holds the same rows, such as an SQLite file beside Redis."""

    def __init__(self, copy: OnlineStore) -> None:
        self._copy = copy

    def keep(self, found: Mapping[bytes, bytes | None]) -> None:
        """Nothing: materialization writes the copy."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._copy.read(keys)
