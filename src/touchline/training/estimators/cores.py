"""The number of cores that a fit may use, enforced on the libraries below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


def usable_cores() -> int:
    """The cores this process may run on, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Limit:
    """Linear algebra has one number of threads per process: the first fit that begins sets it, the last one ends it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limits: Any = None

    def enter(self, threads: int) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            if self._inside == 0:
                self._limits = threadpool_limits(threads)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limits.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def library_threads(threads: int) -> Iterator[None]:
    """Linear algebra on so many threads: side by side, fits would else take every core each.

    >>> with library_threads(1):
    ...     pass
    """
    _LIMIT.enter(threads)
    try:
        yield
    finally:
        _LIMIT.leave()
