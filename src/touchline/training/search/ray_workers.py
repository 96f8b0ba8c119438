"""Fits on a Ray cluster (extra `ray`): each is a task of its own, and the rows are sent once.

The cluster's machines need touchline and the libraries of the candidates; a project's own code goes with the tasks.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from touchline.errors import MissingDependency, WorkerLost
from touchline.training.search.workers import Item, Result, Shared

# What a project brings is loaded from its folder under this name; no worker could import it.
_PROJECTS = "touchline_projects"


@dataclass
class RayWorkers:
    """Tasks on the cluster at `address`; None: the one that runs here, else a new one of this machine's cores."""

    address: str | None = None
    _sent: dict[int, tuple[object, Any]] = field(default_factory=dict, init=False, repr=False)

    @property
    def are_near(self) -> bool:
        return False

    def count(self, threads: int) -> int:
        ray = self._connected()
        return max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)

    def map(
        self, act: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], *, threads: int
    ) -> list[Result | WorkerLost]:
        ray = self._connected()
        task = ray.remote(act).options(num_cpus=min(threads, _largest(ray)), max_retries=1)
        sent = self._sent.setdefault(id(shared), (shared, None))
        if sent[1] is None:
            sent = self._sent[id(shared)] = (shared, ray.put(shared))
        return [_fetched(ray, reference) for reference in [task.remote(sent[1], item) for item in items]]

    def _connected(self) -> Any:
        import ray

        if not ray.is_initialized():
            logging.getLogger("ray").setLevel(logging.WARNING)
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.WARNING)
        for module in _project_modules():
            ray.cloudpickle.register_pickle_by_value(module)
        return ray


def open_ray(address: str | None = None) -> RayWorkers:
    """Workers on Ray; nothing is connected before the first fit."""
    if find_spec("ray") is None:
        raise MissingDependency("Training on Ray", "ray", ["ray"])
    return RayWorkers(address)


def _largest(ray: Any) -> int:
    """The cores of the cluster's largest machine: a task that wants more would wait for ever."""
    return max([int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"]], default=1) or 1


def _fetched(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as wrong:
        raise wrong.cause from wrong
    except ray.exceptions.RayError as wrong:
        return WorkerLost(str(wrong).splitlines()[0])


def _project_modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.split(".")[0] == _PROJECTS]
