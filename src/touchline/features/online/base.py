"""What every online store is: packed values by key, the newest wins, one round trip a read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from touchline import plugins

GROUP = "touchline.online_stores"


class StoredSize(NamedTuple):
    """Rows under a prefix, and the bytes of their keys and values."""

    rows: int
    bytes: int


class OnlineStore(Protocol):
    """Latest packed features by key. Knows bytes, and where in them the stamps lie; nothing of views."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, in one round trip; `OnlineStoreUnavailable` after a bounded wait."""

    def write(self, rows: Iterable[tuple[bytes, bytes]], marks: Mapping[bytes, bytes] | None = None) -> int:
        """Write packed rows unless a newer one lies there, then set `marks` whatever lies there. How many rows won."""

    def delete(self, prefix: bytes) -> int:
        """Take away every key that begins with `prefix`; how many those were."""

    def delete_keys(self, keys: Sequence[bytes]) -> int:
        """Take away exactly these keys; how many there were."""

    def size(self, prefix: bytes) -> StoredSize:
        """How much lies under a prefix."""

    def close(self) -> None:
        """Let go of connections."""


def open_online_store(name: str, location: str, **options: Any) -> OnlineStore:
    """The backend of that name: "sqlite" with a path, "redis" with a URL."""
    store: OnlineStore = plugins.load(GROUP, name)(location, **options)
    return store
