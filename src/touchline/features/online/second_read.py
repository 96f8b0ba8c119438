"""A second try for values that are missing or expired online; what is slow is done once for all who wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from touchline.features.vectors.packed_row import PackedRow
from touchline.features.vectors.served_view import ServedView

Asked = TypeVar("Asked", bound=Hashable)
Found = TypeVar("Found")

Recall = Callable[[ServedView, Mapping[str, Any], datetime], PackedRow | None]
"""The newest row of an entity (its join keys by name) known at a cutoff, or None."""


@dataclass
class SingleFlight(Generic[Asked, Found]):
    """Requests that want the same thing at the same time wait for one piece of work; a failure is told to all.

    >>> SingleFlight(len)("abc")
    3
    """

    work: Callable[[Asked], Found]
    _running: dict[Asked, _Flight[Found]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, asked: Asked) -> Found:
        with self._lock:
            flight = self._running.get(asked)
            is_first = flight is None
            if flight is None:
                flight = self._running[asked] = _Flight()
            else:
                flight.waiting += 1
        if not is_first:
            return flight.result()
        try:
            flight.found.append(self.work(asked))
        except BaseException as failure:
            flight.failure = failure
            raise
        finally:
            with self._lock:
                del self._running[asked]
            flight.landed.set()
        return flight.found[0]

    def waiting(self, asked: Asked) -> int:
        """How many wait for this now, beside the one that does it."""
        with self._lock:
            flight = self._running.get(asked)
            return 0 if flight is None else flight.waiting


@dataclass
class _Flight(Generic[Found]):
    landed: threading.Event = field(default_factory=threading.Event)
    found: list[Found] = field(default_factory=list)
    failure: BaseException | None = None
    waiting: int = 0

    def result(self) -> Found:
        self.landed.wait()
        if self.failure is not None:
            raise self.failure
        return self.found[0]
