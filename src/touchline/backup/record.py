"""The record of the newest backup: tells the scheduler when the next one is due, and `doctor` how old it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from touchline.errors import ObjectNotFound
from touchline.storage import ObjectStore

_KEY: Final = "backups/newest.json"


@dataclass(frozen=True)
class BackupRecord:
    """The newest backup that every place has."""

    name: str
    created_at: datetime
    places: tuple[str, ...]


def write_record(objects: ObjectStore, name: str, created_at: datetime, places: Sequence[str]) -> None:
    document = {"name": name, "created_at": created_at.isoformat(), "places": list(places)}
    objects.write(_KEY, json.dumps(document).encode())


def read_record(objects: ObjectStore) -> BackupRecord | None:
    """The newest backup; None where there is none yet."""
    try:
        document = json.loads(objects.read(_KEY))
    except ObjectNotFound:
        return None
    return BackupRecord(document["name"], datetime.fromisoformat(document["created_at"]), tuple(document["places"]))


def is_due(newest: datetime | None, *, now: datetime, hour: int) -> bool:
    """Whether the backup of the day, from `hour` o'clock (UTC) on, is still to be made.

    One of a time to come was made while the clock was wrong, and stands for no day.

    >>> from datetime import UTC
    >>> yesterday, today = datetime(2026, 1, 1, 2, 5, tzinfo=UTC), datetime(2026, 1, 2, 1, 0, tzinfo=UTC)
    >>> is_due(yesterday, now=today, hour=2), is_due(yesterday, now=today.replace(hour=2), hour=2)
    (False, True)
    """
    begins = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    begins = begins if begins <= now else begins - timedelta(days=1)
    return newest is None or newest < begins or newest > now
