"""The interface of every online store: packed values by key, the newest wins, one round trip a read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from touchline import plugins

GROUP = "touchline.online_stores"


class StoredSize(NamedTuple):
    """The number of rows under a prefix, and the bytes of their keys and values."""

    rows: int
    bytes: int


class OnlineStore(Protocol):
    """Latest packed features by key. Knows bytes and where the stamps lie in them; views mean nothing to it."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, in one round trip; `OnlineStoreUnavailable` after a bounded wait."""

    def write(self, rows: Iterable[tuple[bytes, bytes]], metadata: Mapping[bytes, bytes] | None = None) -> int:
        """Write packed rows unless a newer one is stored, then replace `metadata`; the number of rows written."""

    def delete(self, prefix: bytes) -> int:
        """Delete every key that begins with `prefix`; the number of keys deleted."""

    def delete_keys(self, keys: Sequence[bytes]) -> int:
        """Delete exactly these keys; the number of keys deleted."""

    def size(self, prefix: bytes) -> StoredSize:
        """The number and size of rows whose key begins with a prefix."""

    def find_faults(self) -> list[str]:
        """Settings that lose values or refuse them, each with its next step; `OnlineStoreUnavailable` as `read`."""

    def find_losses(self) -> str | None:
        """That the store drops values by itself, so that known entities look unknown; None where it does not."""

    def close(self) -> None:
        """Close all connections."""


def open_online_store(name: str, location: str, **options: Any) -> OnlineStore:
    """The backend of that name: "sqlite" with a path, "redis" with a URL."""
    store: OnlineStore = plugins.load(GROUP, name)(location, **options)
    return store
