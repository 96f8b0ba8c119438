"""Incidents, silences, messages and their deliveries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), primary_key=key, autoincrement=False, nullable=null)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _instant(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _document(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=False)


def upgrade() -> None:
    _incidents()
    _messages()


def _incidents() -> None:
    op.create_table(
        "incidents",
        _text("id", key=True),
        *(_text(name) for name in ("project", "cause", "title", "severity", "status")),
        _instant("opened_at"),
        _instant("seen_at"),
        _instant("resolved_at", null=True),
        _instant("escalated_at", null=True),
        _number("observations"),
        _text("last_message", null=True),
        _text("message_severity", null=True),
        _instant("message_at", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_project_status_cause", "incidents", ["project", "status", "cause"])
    op.create_table(
        "incident_signals",
        *(_text(name, key=True) for name in ("incident_id", "signal", "subject")),
        _text("severity"),
        _instant("wrong_since"),
        _instant("seen_at"),
        _instant("cleared_at", null=True),
        sa.Column("value", sa.Double(), nullable=True),
        _document("account"),
        sa.PrimaryKeyConstraint("incident_id", "signal", "subject", name="pk_incident_signals"),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="fk_incident_signals_incidents"),
    )
    op.create_table(
        "incident_silences",
        _text("id", key=True),
        *(_text(name) for name in ("project", "cause", "actor", "reason")),
        _instant("created_at"),
        _instant("ends_at"),
        sa.PrimaryKeyConstraint("id", name="pk_incident_silences"),
    )
    op.create_index("ix_incident_silences_project_cause", "incident_silences", ["project", "cause"])


def _messages() -> None:
    op.create_table(
        "alert_messages",
        _text("id", key=True),
        *(_text(name) for name in ("project", "key", "kind")),
        _text("incident_id", null=True),
        _instant("created_at"),
        _text("title"),
        _text("text"),
        _document("payload"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_messages"),
    )
    op.create_index("ix_alert_messages_project_key", "alert_messages", ["project", "key"], unique=True)
    op.create_index("ix_alert_messages_incident_id", "alert_messages", ["incident_id"])
    op.create_table(
        "alert_deliveries",
        *(_text(name, key=True) for name in ("message_id", "target")),
        _text("project"),
        _text("status"),
        _number("attempts"),
        _instant("next_attempt_at"),
        _instant("sent_at", null=True),
        _text("failure", null=True),
        sa.PrimaryKeyConstraint("message_id", "target", name="pk_alert_deliveries"),
        sa.ForeignKeyConstraint(["message_id"], ["alert_messages.id"], name="fk_alert_deliveries_alert_messages"),
    )
    op.create_index("ix_alert_deliveries_project_status", "alert_deliveries", ["project", "status"])
    op.create_table(
        "alert_positions",
        *(_text(name, key=True) for name in ("project", "record")),
        _text("position"),
        sa.PrimaryKeyConstraint("project", "record", name="pk_alert_positions"),
    )
