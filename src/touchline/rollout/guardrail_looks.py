"""Looks at the guardrails of a running rollout again and again, and ends it where one is breached."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Final

from touchline.clock import Clock
from touchline.rollout.guardrails import GuardrailWatch
from touchline.rollout.records import EventNote, RolloutRecords, RolloutState
from touchline.storage import Database

_log = logging.getLogger("touchline.rollout.guardrail_looks")

# Under much traffic a look takes longer, and is taken less often, for each takes a core from other work.
_SHARE_OF_TIME: Final = 0.01
_LONGEST_BETWEEN_SECONDS: Final = 5.0


class GuardrailLooks:
    """The looks of one process at the rollouts of one project. They take a hundredth of its time at most."""

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
        began = time.monotonic()
        if began < self._due_at:
            return False
        results = self._watch.check(settled_at)
        self._due_at = began + min((time.monotonic() - began) / _SHARE_OF_TIME, _LONGEST_BETWEEN_SECONDS)
        breach = next((result for result in results if result.verdict == "harmful"), None)
        if breach is None:
            return False
        note = EventNote(f"a guardrail was breached: {breach.message}", "server")
        self._records.add(state, "aborted", note, clock=self._clock)
        _log.error("%s: rollout %d was aborted: %s", state.experiment.project, state.experiment.number, breach.message)
        return True
