"""Writes predictions beside answers to the log, and looks at the guardrails of their rollout: away from the answers.

Whoever answers learns from the journal that the rollout has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from touchline.clock import Clock
from touchline.predictions.partitions import first_id
from touchline.predictions.spool_drain import RowWriter
from touchline.rollout import GuardrailLooks, RolloutRecords, RolloutState
from touchline.serving.releases.looks import Looks
from touchline.storage import Database

_LOOK_SECONDS: Final = 0.1


class GuardedWriter:
    """Writes to `destination`. A look counts what other processes have written of the rollout, too."""

    def __init__(self, destination: RowWriter, database: Database, project: str, clock: Clock) -> None:
        self._destination, self._clock = destination, clock
        self._records = RolloutRecords(database, project)
        self._watch, self._looks = self._records.watch(), GuardrailLooks(database, self._records, clock)
        self._state: RolloutState | None = None
        self._oldest_new: str | None = None  # of the rows since the last look; set once they are in the log

    def write(self, lines: Sequence[bytes]) -> None:
        """Write rows, all or none."""
        self._destination.write(lines)
        if lines:
            oldest = first_id(lines)
            self._oldest_new = min(oldest, self._oldest_new or oldest)

    def look(self) -> None:
        """A look at the rollout that runs, if there is one and its answers are all Production's."""
        try:
            if self._watch.may_have_changed():
                self._state = self._records.running()
            state = self._state
            if state is None or state.rule.mode != "shadow" or state.routing is None:
                return
            oldest, self._oldest_new = self._oldest_new, None
            self._looks.look(state, self._clock.wall(), oldest_new=oldest)
        except Exception:
            self._watch.reset()  # what was read may be out of date
            raise


@contextmanager
def looking(writer: GuardedWriter) -> Iterator[None]:
    """Look ten times a second while the block runs, in a thread: a look at a long rollout delays no prediction."""
    is_ending, looks = threading.Event(), Looks([("the guardrails", writer.look)])

    def look_again() -> None:
        while not is_ending.wait(_LOOK_SECONDS):
            looks.take()

    thread = threading.Thread(target=look_again, name="touchline_guardrails", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_ending.set()
        thread.join()
