"""The workers that run fits in parallel: threads of this process, or a cluster.

Each backend (entry points `touchline.workers`) is a function from an address (None: its own choice) to `Workers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from touchline.errors import WorkerLost
from touchline.plugins import load
from touchline.training.estimators.cores import usable_cores

GROUP: Final = "touchline.workers"

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """Does the same act for many items side by side. `are_near`: in this process, where asking back costs nothing."""

    @property
    def are_near(self) -> bool: ...

    def count(self, threads: int) -> int:
        """The number of tasks that run at once, each with so many threads."""

    def map(
        self, act: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], *, threads: int
    ) -> list[Result | WorkerLost]:
        """`act(shared, item)` of every item, in their order. What `act` raises is raised here."""


def open_workers(name: str, address: str | None = None) -> Workers:
    """The workers of that name.

    >>> open_workers("local").are_near
    True
    """
    found: Workers = load(GROUP, name)(address)
    return found


@dataclass(frozen=True)
class LocalWorkers:
    """Threads of this process: the libraries that fit release the interpreter while they do."""

    cores: int

    @property
    def are_near(self) -> bool:
        return True

    def count(self, threads: int) -> int:
        return max(1, self.cores // threads)

    def map(
        self, act: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], *, threads: int
    ) -> list[Result | WorkerLost]:
        with ThreadPoolExecutor(self.count(threads)) as pool:
            return list(pool.map(lambda item: act(shared, item), items))


def open_local(address: str | None = None) -> LocalWorkers:  # noqa: ARG001  this process needs no address
    """The cores of this machine that the process may use."""
    return LocalWorkers(usable_cores())
