"""The number of cores that a fit may use, enforced on the libraries below it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any, Final


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
        with self._lock:
            if self._inside == 0:
                self._limits = _controller(tuple(name in sys.modules for name in _LIBRARIES)).limit(limits=threads)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limits.restore_original_limits()


_LIBRARIES: Final = ("lightgbm", "numpy", "scipy.linalg", "sklearn", "torch", "xgboost")


@lru_cache(8)
def _controller(loaded: tuple[bool, ...]) -> Any:  # noqa: ARG001  with other libraries it must look again
    """The thread pools of the loaded libraries; to find them takes as long as a fit on a few hundred rows."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


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
