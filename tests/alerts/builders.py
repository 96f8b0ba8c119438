"""Alerts of a shop in an empty database, at a wall time that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from touchline.alerts import Alerting, Alerts, Delivery, Observation, Outbox
from touchline.storage import Database

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NETWORKS = ("127.0.0.1/32",)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class MovingClock:
    """Project and wall time, moved by the test."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def wall(self) -> datetime:
        return self.at

    def move_to(self, instant: datetime) -> None:
        self.at = instant

    def pass_by(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Shop:
    """The alerts of one project, and its clock."""

    database: Database
    alerts: Alerts | None = field(default_factory=lambda: Alerts("json://127.0.0.1:1"))
    clock: MovingClock = field(default_factory=MovingClock)

    @property
    def alerting(self) -> Alerting:
        return Alerting(self.database, "shop", self.alerts, self.clock)

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.database, "shop")

    def messages(self) -> list[Delivery]:
        """Every message of every incident, in the order in which they were written."""
        incidents = self.alerting.records.newest()
        written = [one for incident in incidents for one in self.outbox.of_incident(incident.id)]
        return sorted(written, key=lambda one: one.message_id)

    def kinds(self) -> list[str]:
        return [message.kind.removeprefix("incident.") for message in self.messages()]


def stale(source: str = "visits", **more: Any) -> Observation:
    facts: dict[str, Any] = {
        "happened": f"source {source} was last ingested 9 days ago",
        "since": START - timedelta(days=9),
        "certainty": "certain",
        "cost": "old rows",
        "next_command": "touchline ingest -p shop",
        "cause": f"source:{source}",
    }
    return Observation("stale_data", source, is_wrong=True, **{**facts, **more})
