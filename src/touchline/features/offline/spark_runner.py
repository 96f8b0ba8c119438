"""Key partitions joined on a Spark cluster (extra `spark`), each a task of one stage."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable

import polars as pl

from touchline.features.offline.key_partitions import Partition, join_partition

_EACH = 4  # partitions for each core, so that uneven ones even out


class SparkRunner:
    """Tasks on the Spark cluster of `master` (default: this machine's cores), or on the session that is active.

    Workers need touchline installed, as they need it on Ray.
    """

    def __init__(self, master: str = "local[*]") -> None:
        from pyspark.sql import SparkSession

        # The workers of a local cluster take the first Python on the path unless they are told.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        made = SparkSession.builder.master(master).appName("touchline").config("spark.ui.enabled", "false")
        self._spark = SparkSession.getActiveSession() or made.getOrCreate()

    def count(self) -> int:
        return max(1, int(self._spark.sparkContext.defaultParallelism)) * _EACH

    def run(self, partitions: Iterable[Partition]) -> Iterable[list[pl.DataFrame]]:
        jobs = [pickle.dumps(partition) for partition in partitions]
        if not jobs:
            return
        tasks = self._spark.sparkContext.parallelize(jobs, len(jobs))
        for found in tasks.map(_join_pickled).toLocalIterator(prefetchPartitions=True):
            yield pickle.loads(found)  # what our own task has pickled


def _join_pickled(job: bytes) -> bytes:
    """Spark's own serializer does not know Polars."""
    return pickle.dumps(join_partition(pickle.loads(job)))  # what `run` has pickled
