"""A second try for values that are missing or expired online, once for all requests that wait for the same one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from touchline.features.packed import PackedRow
from touchline.features.served import ServedView

Recall = Callable[[ServedView, Mapping[str, Any], datetime], PackedRow | None]
"""The newest row of an entity (its join keys by name) known at a cutoff, or None."""


@dataclass
class SingleFlight:
    """Many requests that want the same value at the same time wait for one computation of it."""

    recall: Recall
    _running: dict[Any, _Flight] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, view: ServedView, entity: Mapping[str, Any], cutoff: datetime) -> PackedRow | None:
        key = (view.view, view.feature_version, tuple(entity.values()), cutoff)
        with self._lock:
            flight = self._running.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._running[key] = _Flight()
        if not is_first:
            return flight.result()
        try:
            flight.value = self.recall(view, entity, cutoff)
        except BaseException as failure:
            flight.failure = failure
            raise
        finally:
            with self._lock:
                del self._running[key]
            flight.landed.set()
        return flight.value


@dataclass
class _Flight:
    landed: threading.Event = field(default_factory=threading.Event)
    value: PackedRow | None = None
    failure: BaseException | None = None

    def result(self) -> PackedRow | None:
        self.landed.wait()
        if self.failure is not None:
            raise self.failure
        return self.value
