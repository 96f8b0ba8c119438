"""Feature histories and materializations."""

from __future__ import annotations

from sqlalchemy import Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata, number

feature_histories = Table(
    "feature_histories",
    metadata,
    text("project", key=True),
    text("view", key=True),
    text("feature_version", key=True),
    text("hash", key=True),
    number("rows"),
    number("quarantined"),
    instant("computed_until"),
    document("snapshots"),
    document("pushed"),
    document("parts"),
    document("pending", null=True),
    instant("created_at"),
)
"""`pending` is the part of rows that were not known yet at `computed_until`; the next computation replaces them."""


materializations = Table(
    "materializations",
    metadata,
    text("id", key=True),
    text("project"),
    text("view"),
    text("feature_version"),
    instant("started_at"),
    instant("finished_at", null=True),
    instant("watermark", null=True),
    number("rows"),
    text("status"),
    Index(None, "project", "view", "feature_version", "started_at"),
)
