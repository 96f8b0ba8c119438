"""Times typed by people."""

from __future__ import annotations

from datetime import UTC, datetime

from touchline.errors import InvalidInstant


def parse_instant(text: str) -> datetime:
    """An ISO date or time as an aware instant, in UTC if it has no zone.

    >>> parse_instant("2009-04-18").isoformat()
    '2009-04-18T00:00:00+00:00'
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInstant(text) from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
