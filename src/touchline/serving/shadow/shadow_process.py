"""The process that predicts beside the answers of one project, so that no request waits for it.

It also looks at the guardrails of a rollout in shadow mode, and ends it where one is breached. Its priority is low: the
server of the machine goes first where the cores are busy. It ends a minute after the last row, and begins again with
the next one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from touchline.predictions.database_writer import DatabaseWriter
from touchline.predictions.drain_processes import DrainProcess, drain_until_parent_ends
from touchline.predictions.spool_drain import DrainLimits, RowWriter
from touchline.serving.predicting.predict import Predictor
from touchline.serving.shadow.guarded_writer import GuardedWriter, looking
from touchline.serving.shadow.shadow_writer import ShadowWriter

if TYPE_CHECKING:
    from touchline.serving.http.state import ServedProject
    from touchline.storage import Database

_NICENESS: Final = 10
_IDLE_SECONDS: Final = 60.0


class ShadowProcess(DrainProcess):
    """The process, as a child. `opener`, as `module:function`, gives it the project and the database to log to."""

    def __init__(self, root: Path, opener: str, arguments: Sequence[str], limits: DrainLimits | None = None) -> None:
        super().__init__(root, __name__, {"opener": opener, "arguments": list(arguments)}, limits)


@contextmanager
def _shadow_writer(order: Mapping[str, Any]) -> Iterator[RowWriter]:
    module, _, function = order["opener"].partition(":")
    opened: tuple[ServedProject, Database] = getattr(import_module(module), function)(*order["arguments"])
    project, database = opened

    def open_predictor(release_id: str) -> Predictor:
        release = project.releases.load(release_id)
        return Predictor(release, project.open_reader(release))

    guarded = GuardedWriter(DatabaseWriter(database), database, project.name, project.clock)
    with looking(guarded):
        yield ShadowWriter(project.name, open_predictor, guarded)
    database.close()


if __name__ == "__main__":
    with suppress(OSError):
        os.nice(_NICENESS)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of one prediction would only take the server's cores
    drain_until_parent_ends(_shadow_writer, idle_seconds=_IDLE_SECONDS)
