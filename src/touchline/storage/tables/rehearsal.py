"""The table of rehearsal reports."""

from __future__ import annotations

from sqlalchemy import Index, Table

from touchline.storage.columns import document, instant, text
from touchline.storage.tables.base import metadata

rehearsal_reports = Table(
    "rehearsal_reports",
    metadata,
    text("id", key=True),
    text("project"),
    instant("at"),
    document("document"),
    Index(None, "project", "id"),
)
"""Each finished rehearsal: its policies, their regret by step, its recommendation. `at` is wall time."""
