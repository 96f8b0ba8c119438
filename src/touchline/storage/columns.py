"""Column types that SQLite and PostgreSQL keep alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware datetime, to the microsecond; UTC when it comes back.

    A datetime without a zone is refused when written: it would mean another instant on another machine.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant needs a time zone, found {value!r}")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def text(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=null)


def instant(name: str, *, key: bool = False, null: bool = False) -> Column[datetime]:
    return Column(name, Instant, primary_key=key, nullable=null)


def document(name: str, *, null: bool = False) -> Column[Any]:
    """A JSON value; `None` is stored as NULL."""
    return Column(name, JSON(none_as_null=True), nullable=null)
