"""The table of what the routes of a project store."""

from __future__ import annotations

from sqlalchemy import Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata

route_documents = Table(
    "route_documents",
    metadata,
    text("id", key=True),
    text("project"),
    text("kind"),
    text("about", null=True),
    instant("created_at"),
    document("body"),
    Index(None, "project", "kind", "id"),
    Index(None, "project", "about"),
)
"""`about` is the id of another document, such as the one that this one corrects. `created_at` is project time."""
