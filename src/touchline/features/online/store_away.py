"""What reading does while the online store is away: last values of this process, a copy, or a clear error."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from touchline.features.online.base import OnlineStore, StoredSize
from touchline.features.vectors.served_view import MARK_PREFIX


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


class MirroredStore:
    """A store and a copy of it that gets whatever is written, so that the copy can stand in for it."""

    def __init__(self, store: OnlineStore, copy: OnlineStore) -> None:
        self.store = store
        self.copy = copy

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What the store says; a mark only where the copy bears it too, else the copy would not be filled."""
        found = self.store.read(keys)
        marks = [place for place, key in enumerate(keys) if key.startswith(MARK_PREFIX)]
        for place, copied in zip(marks, self.copy.read([keys[place] for place in marks]), strict=True):
            found[place] = found[place] if found[place] == copied else None
        return found

    def write(self, rows: Iterable[tuple[bytes, bytes]], marks: Mapping[bytes, bytes] | None = None) -> int:
        """The rows that won in the store; in the copy the newest wins as well."""
        kept = list(rows)
        won = self.store.write(kept, marks)
        self.copy.write(kept, marks)
        return won

    def delete(self, prefix: bytes) -> int:
        self.copy.delete(prefix)
        return self.store.delete(prefix)

    def delete_keys(self, keys: Sequence[bytes]) -> int:
        self.copy.delete_keys(keys)
        return self.store.delete_keys(keys)

    def size(self, prefix: bytes) -> StoredSize:
        return self.store.size(prefix)

    def close(self) -> None:
        self.store.close()
        self.copy.close()
