"""A running rollout, watched by the server: guardrails of splits, and outcomes by a check in a process of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from touchline.errors import RolloutConflict, TouchlineError
from touchline.predictions.writer import LogStatus
from touchline.rollout import EventNote, GuardrailLooks, RolloutRecords, RolloutState
from touchline.rollout.routing import RoutingMode
from touchline.serving.predicting.traffic import Traffic
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.storage import Database

_log = logging.getLogger("touchline.serving.releases.rollout_watch")

# Between checks: after new outcomes, and without any, for what time alone decides.
_OUTCOMES_SECONDS: Final = 60.0
_LONGEST_SECONDS: Final = 600.0
_LONG_WAIT_SECONDS: Final = 60.0


class RolloutWatch:
    """Ends a rollout whose guardrail is breached, and asks for the checks that weigh outcomes.

    A breach needs no stage change, since Production is as before. It belongs in the thread that follows the journal.
    `guarded_modes` are those of the rollouts whose guardrails it looks at: the others are looked at elsewhere.
    `waiting_seconds` is the age of the oldest row that has not reached the log yet.
    """

    def __init__(
        self,
        database: Database,
        slot: ReleaseSlot,
        start_check: Callable[[], None],
        *,
        guarded_modes: Collection[RoutingMode],
        waiting_seconds: Callable[[], float],
    ) -> None:
        self._records, self._waiting_seconds = RolloutRecords(database, slot.project), waiting_seconds
        self._slot, self._start_check, self._guarded_modes = slot, start_check, guarded_modes
        self._guardrails = GuardrailLooks(database, self._records, slot)
        self.project = slot.project
        self._state: RolloutState | None = None
        self._told = ""
        self._outcomes, self._checked_at = 0, time.monotonic()
        self._traffic: Traffic | None = None
        self._left_out_limit, self._has_told_of_wait = 1, False

    def look(self) -> None:
        """One look; a database that is away is tried again at the next one."""
        traffic = self._slot.traffic
        if traffic is None:
            self._look_without_traffic()
            return
        try:
            if self._state is None or self._has_moved(self._state):
                self._state = self._records.running()
            if self._state is not None:
                self._look_at(self._state)
        except RolloutConflict:
            self._state = None
        except TouchlineError as away:
            _log.warning("%s: the rollout cannot be watched: %s", self._slot.project, away)

    def _look_without_traffic(self) -> None:
        """A candidate that does not load is an incident of its rollout, recorded once."""
        self._state = None
        refused = self._slot.refused_candidate
        if refused is None or refused.reason == self._told:
            return
        try:
            state = self._records.running()
            if state is not None:
                message = f"candidate {refused.release_id} does not load, Production answers alone: {refused.reason}"
                self._records.add(state, "incident", EventNote(message, "server"), clock=self._slot)
            self._told = refused.reason
        except (RolloutConflict, TouchlineError) as failure:
            _log.warning("%s: an incident of the rollout cannot be recorded: %s", self._slot.project, failure)

    def _has_moved(self, state: RolloutState) -> bool:
        traffic = self._slot.traffic
        return traffic is not None and traffic.routing != state.routing

    def _look_at(self, state: RolloutState) -> None:
        shadow = None if self._slot.shadow is None else self._slot.shadow.status()
        if state.rule.mode in self._guarded_modes:
            waiting_seconds = max(self._waiting_seconds(), shadow.waiting_seconds if shadow else 0.0)
            if self._guardrails.look(state, self._slot.wall() - timedelta(seconds=waiting_seconds)):
                self._state = None
                self._slot.refresh()  # at once, not at the next look
                return
        self._record_left_out(state)
        if shadow is not None:
            self._record_wait(state, shadow)
        self._request_check()

    def _record_left_out(self, state: RolloutState) -> None:
        """Record rows that no shadow could predict: the first one, and each time they are ten times as many."""
        traffic = self._slot.traffic
        if traffic is not self._traffic:
            self._traffic, self._left_out_limit = traffic, 1
        if traffic is None or traffic.left_out < self._left_out_limit:
            return
        left_out = traffic.left_out
        message = (
            f"{left_out} rows have no prediction beside their answer and count for nothing: the version that predicts "
            "beside is slower than the requests arrive"
        )
        self._records.add(state, "incident", EventNote(message, "server"), clock=self._slot)
        self._left_out_limit = 10 * left_out

    def _record_wait(self, state: RolloutState, shadow: LogStatus) -> None:
        """Record, once until they are predicted, that rows wait for long: their version is slow, or its process ends
        again and again.
        """
        seconds = shadow.waiting_seconds
        if seconds < _LONG_WAIT_SECONDS:
            self._has_told_of_wait = False
        elif not self._has_told_of_wait:
            reason = shadow.failure or "the version that predicts them is slow, or its process ends"
            message = f"rows wait for {seconds:.0f} s for the prediction beside their answer, none is lost: {reason}"
            self._records.add(state, "incident", EventNote(message, "server"), clock=self._slot)
            self._has_told_of_wait = True

    def _request_check(self) -> None:
        outcomes, waited = sum(self._slot.meter.outcomes.values()), time.monotonic() - self._checked_at
        is_due = waited >= _LONGEST_SECONDS or (outcomes != self._outcomes and waited >= _OUTCOMES_SECONDS)
        if is_due:
            self._outcomes, self._checked_at = outcomes, time.monotonic()
            self._start_check()
