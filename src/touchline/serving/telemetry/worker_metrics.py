"""The figures of all workers behind one port, whichever of them is asked.

Each worker writes what it has counted to a file of its own, a few times a second; who is asked adds the files of the
others to what it knows itself. A worker that died still counts, so that no counter goes back; its log does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from touchline.predictions.writer import LogStatus
from touchline.serving.telemetry.metrics import Meter
from touchline.storage.process_identity import has_ended, this_process

ENVIRONMENT = "TOUCHLINE_WORKER_FIGURES"
"""The folder that the workers of one server share; set by the process that starts them."""


def figures_folder() -> Path | None:
    """The folder that this process's server shares, or None where it is the only worker."""
    folder = os.environ.get(ENVIRONMENT)
    return Path(folder) if folder else None


class WorkerFigures:
    """The files of one server's workers; `folder` None where the process is the only one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own = f"{os.getpid()}.json"

    def publish(self, meters: Sequence[Meter], log: LogStatus) -> None:
        """Let the other workers know."""
        if self._folder is None:
            return
        figures = {meter.project: meter.document() for meter in meters}
        document = {"process": this_process(), "meters": figures, "log": _log_document(log)}
        part = self._folder / f"{self._own}.part"
        with suppress(OSError):  # a full disk: the figures are late
            part.write_bytes(orjson.dumps(document))
            part.replace(self._folder / self._own)

    def meters(self, own: Sequence[Meter]) -> list[Meter]:
        """The figures of all workers together."""
        together = {meter.project: Meter(meter.project) for meter in own}
        for meter in own:
            together[meter.project].add(meter.document())
        for document in self._others():
            for project, figures in document["meters"].items():
                together[project].add(figures)
        return list(together.values())

    def logs(self, own: LogStatus) -> dict[str, int]:
        """The rows waiting in the logs of all live workers, and the number of workers whose log fails."""
        found = _log_document(own)
        for document in self._others():
            if not has_ended(document["process"]):
                found = {name: value + document["log"][name] for name, value in found.items()}
        return found

    def _others(self) -> Iterator[dict[str, Any]]:
        for path in self._folder.glob("*.json") if self._folder is not None else ():
            if path.name != self._own:
                yield orjson.loads(path.read_bytes())


def _log_document(log: LogStatus) -> dict[str, int]:
    return {
        "rows_in_memory": log.rows_in_memory,
        "spool_bytes": log.spool_bytes,
        "refused": log.refused,
        "failing": int(log.is_behind),
    }
