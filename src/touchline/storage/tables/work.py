"""Clocks, leases, keys of the API."""

from __future__ import annotations

from sqlalchemy import Index, Table

from touchline.storage.columns import instant, text
from touchline.storage.tables.base import metadata, number

clocks = Table("clocks", metadata, text("project", key=True), instant("instant"))
"""Project clocks that stand still at an instant."""

leases = Table(
    "leases",
    metadata,
    text("name", key=True),
    text("holder"),
    text("process"),
    number("token"),
    instant("expires_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    text("id", key=True),
    text("name"),
    text("role"),
    text("key_hash"),
    instant("created_at"),
    instant("last_used_at", null=True),
    instant("expires_at", null=True),
    instant("revoked_at", null=True),
    Index(None, "key_hash", unique=True),
)

key_changes = Table(
    "key_changes",
    metadata,
    text("id", key=True),
    text("key_id"),
    text("act"),
    instant("at"),
    text("actor"),
    text("reason"),
)
"""The journal of API keys: append only, in wall time."""
