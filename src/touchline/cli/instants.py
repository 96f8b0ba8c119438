"""Instants as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

from touchline.errors import InvalidInstant


def parse_instant(text: str) -> datetime:
    """An ISO date or time as an aware instant; without a zone it is UTC.

    >>> parse_instant("2009-04-18").isoformat()
    '2009-04-18T00:00:00+00:00'
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise InvalidInstant(text) from wrong
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
