"""The point-in-time join as slow and as plain as it can be said, to compare the engines with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


def brute_force_join(
    examples: Sequence[Row], history: Sequence[Row], keys: Sequence[str], ttl: timedelta | None
) -> list[Row | None]:
    """For each example the history row that was newest among those known at its cutoff, or None."""
    return [_newest_known(example, history, keys, ttl) for example in examples]


def _newest_known(example: Row, history: Sequence[Row], keys: Sequence[str], ttl: timedelta | None) -> Row | None:
    cutoff: datetime = example["cutoff"]
    known = [
        row
        for row in history
        if all(row[key] is not None and row[key] == example[key] for key in keys)
        and row["event_timestamp"] <= cutoff
        and row["created_timestamp"] <= cutoff
    ]
    newest = max(known, key=lambda row: (row["event_timestamp"], row["created_timestamp"], row["value"]), default=None)
    if newest is not None and ttl is not None and newest["event_timestamp"] < cutoff - ttl:
        return None
    return newest
