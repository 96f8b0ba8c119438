"""The figures of all workers behind one port, whichever of them is asked.

Each worker writes what it has counted to a file of its own, a few times a second; who is asked adds the files of the
others to what it knows itself. A worker that died still counts, so that no counter goes back; its log does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
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
        # A worker that is started later may get the process id of one that has ended, whose counts stay.
        self._own = f"{sha256(this_process().encode()).hexdigest()[:16]}.json"
        self._lock = Lock()

    def publish(self, meters: Sequence[Meter], log: Callable[[], LogStatus]) -> None:
        """Count what waits, and write it for the other workers. `log` is asked where there are others."""
        for meter in meters:
            meter.collect()
        if self._folder is None:
            return
        with self._lock:
            self._write(self._folder, meters, log())

    def _write(self, folder: Path, meters: Sequence[Meter], log: LogStatus) -> None:
        figures = {meter.project: meter.document() for meter in meters}
        document = {"process": this_process(), "meters": figures, "log": _log_document(log)}
        part = folder / f"{self._own}.part"
        with suppress(OSError):  # a full disk: the figures are late
            part.write_bytes(orjson.dumps(document))
            part.replace(folder / self._own)

    def meters(self, own: Sequence[Meter]) -> list[Meter]:
        """The figures of all workers together, as of what each published last.

        `publish` comes before. This worker's own figures are read back as well, so that another worker that is asked a
        moment later tells no less.
        """
        together = {meter.project: Meter(meter.project) for meter in own}
        for meter in own if self._folder is None else ():
            together[meter.project].add(meter.document())
        for document in self._published():
            for project, figures in document["meters"].items():
                together[project].add(figures)
        return list(together.values())

    def logs(self, own: LogStatus) -> dict[str, int]:
        """The rows waiting in the logs of all live workers, and the number of workers whose log fails."""
        found = _log_document(own)
        others = (document for document in self._published() if document["process"] != this_process())
        for document in others:
            if not has_ended(document["process"]):
                for name in _OF_A_WORKER:
                    found[name] += document["log"][name]
        return found

    def _published(self) -> Iterator[dict[str, Any]]:
        for path in self._folder.glob("*.json") if self._folder is not None else ():
            yield orjson.loads(path.read_bytes())


# The other figures are those of the spools of all workers already.
_OF_A_WORKER = ("rows_in_memory", "failing")


def _log_document(log: LogStatus) -> dict[str, int]:
    return {
        "rows_in_memory": log.rows_in_memory,
        "spool_bytes": log.spool_bytes,
        "refused": log.refused,
        "failing": int(log.is_behind),
    }
