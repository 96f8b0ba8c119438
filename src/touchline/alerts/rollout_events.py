"""What happened to rollouts as events: aborts, stops, releases that do not answer, and decisions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from touchline.alerts.observation import Observation
from touchline.alerts.report import Alerting, report_event
from touchline.rollout import RolloutState

# Older events that nobody has looked at are history.
_NEWS: Final = timedelta(days=1)
_SIGNALS: Final = {
    "aborted": "rollout_stopped",
    "hold": "rollout_stopped",
    "incident": "rollout_incident",
    "kept": "rollout_ended",
    "promoted": "rollout_ended",
    "rolled_back": "rollout_ended",
    "superseded": "rollout_ended",
}
_COSTS: Final = {
    "aborted": "the version gets no more traffic, and stays in Staging until a person has looked",
    "hold": "the version keeps its share of the traffic, and gets no larger one until a person has looked",
    "incident": "requests may be answered by the wrong release",
    **dict.fromkeys(("kept", "promoted", "rolled_back", "superseded"), "the version in Production was decided"),
}


def report_rollouts(alerting: Alerting, states: Sequence[RolloutState]) -> None:
    """Report the events of the last day; an event that was reported before changes nothing."""
    recent_after = alerting.clock.wall() - _NEWS
    for state in states:
        for event in state.events:
            signal = _SIGNALS.get(event.kind)
            if signal is None or event.wall_at < recent_after:
                continue
            version, what = state.rule.candidate.version, event.kind.replace("_", " ")
            observation = Observation(
                signal,
                subject=f"version {version}",
                happened=f"rollout {event.number} of version {version}: {what}: {event.message}",
                since=event.at,
                certainty=f"recorded in the log of rollouts, entry {event.sequence}",
                cost=_COSTS[event.kind],
                next_command=f"touchline rollout status -p {event.project}",
                cause=f"rollout:{event.sequence}",
            )
            report_event(alerting, observation)
