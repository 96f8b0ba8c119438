"""Key partitions joined on a Ray cluster (extra `ray`), each a task of its own."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from touchline.features.offline.key_partitions import Partition, join_partition

_EACH = 4  # partitions for each core, so that uneven ones even out


class RayRunner:
    """Tasks on the Ray cluster at `address` (none: one that is running here, or a new one of this machine's cores)."""

    def __init__(self, address: str | None = None) -> None:
        import ray

        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, include_dashboard=False)

    def count(self) -> int:
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1))) * _EACH

    def run(self, partitions: Iterable[Partition]) -> Iterable[list[pl.DataFrame]]:
        import ray

        task = ray.remote(join_partition)
        started = [task.remote(partition) for partition in partitions]
        while started:
            # One at a time, so that results do not pile up here.
            found: list[pl.DataFrame] = ray.get(started.pop(0))
            yield found
