"""The tables of alerts: incidents, their signals and silences, and the messages that leave for people and systems."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number, real

incidents = Table(
    "incidents",
    metadata,
    text("id", key=True),
    text("project"),
    text("cause"),
    text("title"),
    text("severity"),
    text("status"),
    instant("opened_at"),
    instant("seen_at"),
    instant("resolved_at", null=True),
    instant("escalated_at", null=True),
    number("observations"),
    text("last_message", null=True),
    text("message_severity", null=True),
    instant("message_at", null=True),
    Index(None, "project", "status", "cause"),
)
"""`status` is open, resolved, or event for what happened once. All instants are wall time."""

incident_signals = Table(
    "incident_signals",
    metadata,
    text("incident_id", key=True),
    text("signal", key=True),
    text("subject", key=True),
    text("severity"),
    instant("wrong_since"),
    instant("seen_at"),
    instant("cleared_at", null=True),
    real("value", null=True),
    document("account"),
    ForeignKeyConstraint(["incident_id"], ["incidents.id"]),
)
"""The signals of one cause: an incident is resolved when all of them are cleared."""

incident_silences = Table(
    "incident_silences",
    metadata,
    text("id", key=True),
    text("project"),
    text("cause"),
    text("actor"),
    text("reason"),
    instant("created_at"),
    instant("ends_at"),
    Index(None, "project", "cause"),
)
"""The newest silence of a cause counts."""

alert_messages = Table(
    "alert_messages",
    metadata,
    text("id", key=True),
    text("project"),
    text("key"),
    text("kind"),
    text("incident_id", null=True),
    instant("created_at"),
    text("title"),
    text("text"),
    document("payload"),
    Index(None, "project", "key", unique=True),
    Index(None, "incident_id"),
)
"""`key` names the change that the message is about, so that one change makes one message."""

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    text("message_id", key=True),
    text("target", key=True),
    text("project"),
    text("status"),
    number("attempts"),
    instant("next_attempt_at"),
    instant("sent_at", null=True),
    text("failure", null=True),
    ForeignKeyConstraint(["message_id"], ["alert_messages.id"]),
    Index(None, "project", "status"),
)
"""`status` is waiting, sent or failed (given up). `target` is a label such as slack-1, never an address."""

alert_positions = Table(
    "alert_positions",
    metadata,
    text("project", key=True),
    text("record", key=True),
    text("position"),
)
"""How far the journal and the pipeline runs of a project have been turned into events."""
