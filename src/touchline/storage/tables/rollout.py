"""Rollouts and their events."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number

rollouts = Table(
    "rollouts",
    metadata,
    text("project", key=True),
    number("number", key=True),
    text("id"),
    text("salt"),
    document("rule"),
    text("rule_hash"),
    document("plan", null=True),
    instant("started_at"),
    instant("started_wall_at"),
    text("actor"),
    text("reason"),
    Index(None, "id", unique=True),
)
"""Rollouts with the rule that each was started with. `id` is the experiment of the predictions log."""

rollout_events = Table(
    "rollout_events",
    metadata,
    text("project", key=True),
    number("sequence", key=True),
    number("number"),
    text("kind"),
    number("share"),
    instant("at"),
    instant("wall_at"),
    text("actor"),
    text("message"),
    document("evidence", null=True),
    ForeignKeyConstraint(["project", "number"], ["rollouts.project", "rollouts.number"]),
)
"""What happened to rollouts, append only; (project, sequence) is the compare-and-set. `share` is in percent."""
