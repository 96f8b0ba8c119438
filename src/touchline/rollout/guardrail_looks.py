"""Looks at the guardrails of a running rollout again and again, and ends it where one is breached."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Final

from touchline.clock import Clock
from touchline.rollout.guardrails import GuardrailResult, GuardrailWatch
from touchline.rollout.records import EventNote, RolloutRecords, RolloutState
from touchline.storage import Database

_log = logging.getLogger("touchline.rollout.guardrail_looks")

# Under much traffic a look takes longer, and is taken less often, for each takes a core, here or where the database is,
# from other work. More is allowed of the time: a look that waits for a busy core is not to put off the next one.
_SHARE_OF_PROCESSOR: Final = 0.01
_SHARE_OF_TIME: Final = 0.1
_LONGEST_BETWEEN_SECONDS: Final = 5.0


class GuardrailLooks:
    """The looks of one process at the rollouts of one project.

    They take a hundredth of a core at most, and a tenth of the time.
    """

    def __init__(self, database: Database, records: RolloutRecords, clock: Clock) -> None:
        self._database, self._records, self._clock = database, records, clock
        self._watch: GuardrailWatch | None = None
        self._due_at = 0.0

    def look(self, state: RolloutState, settled_at: datetime, *, oldest_new: str | None = None) -> bool:
        """A look where one is due; True where it has ended the rollout.

        All rows of before `settled_at` are in the log already; `oldest_new` is the least id of those that have come
        since the last look, if that is known. Raises `RolloutConflict` where something else happened first.
        """
        if self._watch is None or self._watch.experiment.id != state.experiment.id:
            self._watch, self._due_at = GuardrailWatch(self._database, state.experiment), 0.0
        if oldest_new is not None:
            self._watch.include(oldest_new)
        if time.monotonic() < self._due_at:
            return False
        results = self._timed_check(self._watch, settled_at)
        breach = next((result for result in results if result.verdict == "harmful"), None)
        if breach is None:
            return False
        note = EventNote(f"a guardrail was breached: {breach.message}", "server")
        self._records.add(state, "aborted", note, clock=self._clock)
        _log.error("%s: rollout %d was aborted: %s", state.experiment.project, state.experiment.number, breach.message)
        return True

    def _timed_check(self, watch: GuardrailWatch, settled_at: datetime) -> tuple[GuardrailResult, ...]:
        began, busy_before = time.monotonic(), time.thread_time()
        results = watch.check(settled_at)
        seconds, busy_seconds = time.monotonic() - began, time.thread_time() - busy_before
        pause = max(busy_seconds / _SHARE_OF_PROCESSOR, seconds / _SHARE_OF_TIME)
        self._due_at = began + min(pause, _LONGEST_BETWEEN_SECONDS)
        return results
