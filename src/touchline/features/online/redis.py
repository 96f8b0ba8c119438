"""Packed rows in Redis or Valkey: bounded waits, one round trip a read, the newest wins inside the server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from touchline.errors import OnlineStoreUnavailable
from touchline.features.online.base import StoredSize
from touchline.features.online.redis_faults import find_losses, server_faults
from touchline.features.online.redis_reads import RedisReads
from touchline.features.vectors.packed_row import STAMPS_AT, STAMPS_LENGTH

# Two stamps of eight bytes, compared as four unsigned words: a Lua number holds 53 bits, and text order depends on
# the server's locale.
_WRITE_NEWEST = f"""
local won = 0
for i, key in ipairs(KEYS) do
  local old = redis.call('GET', key)
  local wins = not old or #old < {STAMPS_AT + STAMPS_LENGTH}
  if not wins and old ~= ARGV[i] then
    local a = {{struct.unpack('>I4I4I4I4', ARGV[i], {STAMPS_AT + 1})}}
    local b = {{struct.unpack('>I4I4I4I4', old, {STAMPS_AT + 1})}}
    wins = true
    for word = 1, 4 do
      if a[word] ~= b[word] then wins = a[word] > b[word] break end
    end
  end
  if wins then redis.call('SET', key, ARGV[i]) won = won + 1 end
end
return won
"""
_BATCH = 500  # keys a script call: a few milliseconds of the server's time
_PIPELINE = 20  # script calls sent at once


class RedisOnlineStore:
    """Packed rows under their own keys. Each entity's row is replaced whole; metadata is written after the rows.

    After a failure the store refuses at once for `pause_seconds`, so that waiting requests do not pile up.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 0.25, pause_seconds: float = 1.0) -> None:
        self._timeout_seconds = timeout_seconds
        self._pause_seconds = pause_seconds
        self._retry_at = 0.0
        self._reason = ""
        parts = urlsplit(url)
        self.name = f"redis://{parts.hostname}:{parts.port or 6379}"  # without the password
        self._reads = RedisReads(url, timeout_seconds, socket_connect_timeout=min(timeout_seconds, 1.0))
        # A bulk write may take longer than a request may wait.
        self._writer = _client(url, max(30.0, timeout_seconds))
        self._script = self._writer.register_script(_WRITE_NEWEST)

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if self._retry_at and time.monotonic() < self._retry_at:
            raise OnlineStoreUnavailable(self.name, f"{self._reason} (not asked again yet)", 0)
        try:
            values = self._reads.mget(keys) if keys else []
        except (redis.RedisError, OSError) as wrong:
            self._retry_at = time.monotonic() + self._pause_seconds
            self._reason = str(wrong)
            raise self._unavailable(wrong) from wrong
        self._retry_at = 0.0
        return values

    def write(self, rows: Iterable[tuple[bytes, bytes]], metadata: Mapping[bytes, bytes] | None = None) -> int:
        won = 0
        try:
            for calls in _chunks(_chunks(iter(rows), _BATCH), _PIPELINE):
                won += self._write_calls(calls)
            if metadata:
                self._writer.mset(dict(metadata))
        except (redis.RedisError, OSError) as wrong:
            raise self._unavailable(wrong) from wrong
        return won

    def delete(self, prefix: bytes) -> int:
        try:
            return sum(self._writer.delete(*keys) for keys in _chunks(self._under(prefix), _BATCH))
        except (redis.RedisError, OSError) as wrong:
            raise self._unavailable(wrong) from wrong

    def delete_keys(self, keys: Sequence[bytes]) -> int:
        try:
            return int(self._writer.delete(*keys)) if keys else 0
        except (redis.RedisError, OSError) as wrong:
            raise self._unavailable(wrong) from wrong

    def size(self, prefix: bytes) -> StoredSize:
        rows = total = 0
        try:
            for keys in _chunks(self._under(prefix), _BATCH):
                pipeline = self._writer.pipeline(transaction=False)
                for key in keys:
                    pipeline.strlen(key)
                rows += len(keys)
                total += sum(map(len, keys)) + sum(pipeline.execute())
        except (redis.RedisError, OSError) as wrong:
            raise self._unavailable(wrong) from wrong
        return StoredSize(rows, total)

    def find_faults(self) -> list[str]:
        try:
            return list(server_faults(self._writer))
        except (redis.RedisError, OSError) as wrong:
            raise self._unavailable(wrong) from wrong

    def find_losses(self) -> str | None:
        try:
            return find_losses(self._writer)
        except (redis.RedisError, OSError) as wrong:
            raise self._unavailable(wrong) from wrong

    def close(self) -> None:
        self._reads.close()
        self._writer.close()

    def _write_calls(self, calls: Sequence[Sequence[tuple[bytes, bytes]]]) -> int:
        pipeline = self._writer.pipeline(transaction=False)
        for rows in calls:
            self._script(keys=[key for key, _ in rows], args=[value for _, value in rows], client=pipeline)
        return sum(pipeline.execute())

    def _under(self, prefix: bytes) -> Iterator[bytes]:
        return iter(self._writer.scan_iter(match=_literal(prefix) + b"*", count=5000))

    def _unavailable(self, wrong: Exception) -> OnlineStoreUnavailable:
        """Only a server that is silent was waited for: one that refuses the user has answered."""
        is_silent = isinstance(wrong, (redis.TimeoutError, TimeoutError))
        reason = f"{type(wrong).__name__}: {wrong}".rstrip(".")
        return OnlineStoreUnavailable(self.name, reason, self._timeout_seconds if is_silent else 0)


def _client(url: str, timeout_seconds: float) -> Any:
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=min(timeout_seconds, 1.0),
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
    )


def _literal(prefix: bytes) -> bytes:
    """The prefix as a pattern that matches nothing but itself."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^" else bytes([byte]) for byte in prefix)


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk
