"""Values for readers while the online store does not respond: the last values of this process, or a copy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from touchline.features.online.base import OnlineStore, StoredSize
from touchline.features.vectors.served_view import METADATA_PREFIX


class StandIn(Protocol):
    """Gives values while the store does not respond."""

    def remember(self, values: Mapping[bytes, bytes | None]) -> None:
        """Record the values that the store returned."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values that this stand-in has; None for the others."""


class LastValues:
    """The last values that the store gave, at most `limit`; the one unused for longest is dropped first.

    >>> cache = LastValues(limit=1)
    >>> cache.remember({b"a": b"1", b"b": b"2"})
    >>> cache.read([b"a", b"b"])
    [None, b'2']
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._values: OrderedDict[bytes, bytes] = OrderedDict()

    def remember(self, values: Mapping[bytes, bytes | None]) -> None:
        stored = self._values
        for key, value in values.items():
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
                stored.move_to_end(key)
        while len(stored) > self._limit:
            stored.popitem(last=False)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._values.get(key) for key in keys]


class StoreCopy:
    """A second store that holds the same rows, such as an SQLite file beside Redis."""

    def __init__(self, copy: OnlineStore) -> None:
        self._copy = copy

    def remember(self, values: Mapping[bytes, bytes | None]) -> None:
        """Does nothing: materialization writes the copy."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._copy.read(keys)


class MirroredStore:
    """A store and a copy that gets the same rows, so that the copy can stand in for it."""

    def __init__(self, store: OnlineStore, copy: OnlineStore) -> None:
        self.store = store
        self.copy = copy

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The store's values. Metadata only where the copy has the same: else the next run would not fill the copy."""
        values = self.store.read(keys)
        places = [place for place, key in enumerate(keys) if key.startswith(METADATA_PREFIX)]
        for place, copied in zip(places, self.copy.read([keys[place] for place in places]), strict=True):
            values[place] = values[place] if values[place] == copied else None
        return values

    def write(self, rows: Iterable[tuple[bytes, bytes]], metadata: Mapping[bytes, bytes] | None = None) -> int:
        """The rows that were newest in the store; in the copy the newest wins as well."""
        rows = list(rows)
        newest = self.store.write(rows, metadata)
        self.copy.write(rows, metadata)
        return newest

    def delete(self, prefix: bytes) -> int:
        self.copy.delete(prefix)
        return self.store.delete(prefix)

    def delete_keys(self, keys: Sequence[bytes]) -> int:
        self.copy.delete_keys(keys)
        return self.store.delete_keys(keys)

    def size(self, prefix: bytes) -> StoredSize:
        return self.store.size(prefix)

    def find_faults(self) -> list[str]:
        return self.store.find_faults()

    def find_losses(self) -> str | None:
        return self.store.find_losses()

    def close(self) -> None:
        self.store.close()
        self.copy.close()
