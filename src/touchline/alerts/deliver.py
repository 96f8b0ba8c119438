"""Delivering what waits: each target in a thread of its own, so that one that hangs holds up nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from touchline.alerts.apprise_channel import AppriseChannel
from touchline.alerts.channels import Channel, DeliveryFailed, Notice
from touchline.alerts.outbox import Delivery, Outbox
from touchline.alerts.spec import Alerts, apprise_targets, webhook_targets
from touchline.alerts.webhooks import WebhookChannel
from touchline.clock import Clock
from touchline.errors import TouchlineError, failure_in_words

_log = logging.getLogger("touchline.alerts")
# Less than the claim of a delivery, so that what hangs longer is tried again by whoever looks next.
WAIT_SECONDS: Final = 30.0
_REMOVED: Final = "this address is not declared any more"


@dataclass(frozen=True)
class DeliveryReport:
    """The results of one pass: `pending` targets had not answered when the pass ended."""

    sent: int
    failed: int
    pending: int


def open_channels(
    alerts: Alerts | None, environment: Mapping[str, str], networks: Sequence[str] = ()
) -> dict[str, Channel]:
    """The channels of the declared targets, by label. Webhooks may reach `networks` besides public addresses."""
    if alerts is None:
        return {}
    people = {target: AppriseChannel(url, environment) for target, url in apprise_targets(alerts, "critical").items()}
    systems = {
        target: WebhookChannel(webhook, environment, networks) for target, webhook in webhook_targets(alerts).items()
    }
    return {**people, **systems}


def deliver_due(
    outbox: Outbox, channels: Mapping[str, Channel], *, clock: Clock, wait_seconds: float = WAIT_SECONDS
) -> DeliveryReport:
    """Try the deliveries that are due, and wait for the results at most `wait_seconds`.

    Each target takes its messages in order, a few at a time, whatever waits for other targets. Messages that became due
    meanwhile are tried as well: the end of an incident waits for its beginning, and the process that was started for it
    may have looked and gone. A thread that hangs longer is left: its result is recorded if it still comes, and its
    deliveries are tried again when their claim ends. At least once: a receiver may get a message twice, with the same
    id, where its answer was lost.
    """
    delivering = _Pass(outbox, channels, clock, monotonic() + wait_seconds)
    while (claimed := outbox.claim(now=clock.wall())) and delivering.deliver(claimed):
        pass
    return delivering.report()


@dataclass(frozen=True)
class _Pass:
    """One pass: every target in a thread of its own, until the deadline (of the monotonic clock)."""

    outbox: Outbox
    channels: Mapping[str, Channel]
    clock: Clock
    deadline: float
    claimed: list[Delivery] = field(default_factory=list)
    results: list[bool] = field(default_factory=list)

    def deliver(self, claimed: Sequence[Delivery]) -> bool:
        """Deliver what is claimed, and what else is due to its targets. False: the deadline is over."""
        by_target: dict[str, list[Delivery]] = {}
        for delivery in claimed:
            by_target.setdefault(delivery.target, []).append(delivery)
        threads = []
        for target, deliveries in by_target.items():
            name = f"touchline_alert_{target}"
            thread = threading.Thread(target=self._deliver_to, args=(target, deliveries), name=name, daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join(max(0.0, self.deadline - monotonic()))
        return monotonic() < self.deadline and not any(thread.is_alive() for thread in threads)

    def report(self) -> DeliveryReport:
        results, tried = list(self.results), len(self.claimed)
        return DeliveryReport(results.count(True), results.count(False), tried - len(results))

    def _deliver_to(self, target: str, deliveries: Sequence[Delivery]) -> None:
        """Deliver these to a target, and what else is due to it until the deadline."""
        while deliveries:
            self.claimed.extend(deliveries)
            for delivery in deliveries:
                self.results.append(self._result(delivery))
            deliveries = self._next(target) if monotonic() < self.deadline else ()

    def _next(self, target: str) -> Sequence[Delivery]:
        try:
            return self.outbox.claim(now=self.clock.wall(), target=target)
        except TouchlineError as failure:
            _log.warning("what else is due to %s could not be read: %s", target, failure)
            return ()

    def _result(self, delivery: Delivery) -> bool:
        try:
            return _attempt(self.outbox, self.channels.get(delivery.target), delivery, self.clock)
        except TouchlineError as failure:  # the database is away: the claim ends, and another pass tries again
            _log.warning("the result of alert %s to %s is not recorded: %s", delivery.title, delivery.target, failure)
            return False


def send_note(channel: Channel, note: Notice, *, clock: Clock) -> str | None:
    """Send one note now; the reason where it failed."""
    return _try(channel, note, clock)[0]


def _attempt(outbox: Outbox, channel: Channel | None, delivery: Delivery, clock: Clock) -> bool:
    failure, is_final = _try(channel, _note(delivery), clock)
    if failure is None:
        outbox.record_sent(delivery, now=clock.wall())
        _log.info("alert sent to %s: %s", delivery.target, delivery.title)
        return True
    is_last = outbox.record_failure(delivery, failure, is_final=is_final, now=clock.wall())
    step = "given up" if is_last else "it is tried again"
    _log.warning("alert to %s failed (attempt %d), %s: %s", delivery.target, delivery.attempts + 1, step, failure)
    return False


def _try(channel: Channel | None, note: Notice, clock: Clock) -> tuple[str | None, bool]:
    """Why the attempt failed, None if it did not, and whether a further one would fail as well."""
    if channel is None:
        return _REMOVED, True
    try:
        channel.send(note, now=clock.wall())
    except DeliveryFailed as failure:
        return str(failure), failure.is_final
    except Exception as failure:  # noqa: BLE001  a service's library may raise anything; the delivery goes on
        return failure_in_words(failure), False
    return None, False


def _note(delivery: Delivery) -> Notice:
    return Notice(
        id=f"msg_{delivery.message_id}",
        thread=delivery.incident_id or delivery.message_id,
        title=delivery.title,
        text=delivery.text,
        is_critical=delivery.payload.get("data", {}).get("severity") == "critical",
        payload=delivery.payload,
        created_at=delivery.created_at,
    )
