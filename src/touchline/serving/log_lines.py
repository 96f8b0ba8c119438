"""A log row as one line of JSON, as it lies in the spool and goes to the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from touchline.serving.scored import Ask, Scored
from touchline.serving.served import ServedRelease, view_label

LogLine = Callable[[Scored, dict[str, Any], Ask, str], bytes]


def log_line_of(release: ServedRelease, variant: str) -> LogLine:
    """The function that writes one release's lines. Entity keys are sorted, so that their text names the entity set;
    the vector comes last, as hexadecimal of float64, little endian, where the database finds it.
    """
    keys = sorted(release.entity_columns)
    inputs = tuple(column.name for column in release.inputs)

    def log_line(scored: Scored, said: dict[str, Any], ask: Ask, prediction_id: str) -> bytes:
        row = scored.row
        line: dict[str, Any] = {
            "prediction_id": prediction_id,
            "request_id": ask.request_id,
            "project": release.project,
            "release_id": release.id,
            "role": "answer",
            "variant": variant,
            "probability": 1.0,
            "override": False,
            "example_id": row["example_id"],
            "entity_keys": {name: row[name] for name in keys if row[name] is not None},
            "cutoff": sql_instant(scored.cutoff),
            "answered_at": sql_instant(ask.answered_at),
            "views": {
                view_label(found.view, found.prefix): {
                    "feature_version": found.feature_version,
                    "status": found.status,
                    "event_timestamp": found.event_timestamp,
                    "watermark": found.watermark,
                }
                for found in scored.statuses
            },
            "inputs": {name: row[name] for name in inputs},
            "output": said,
            "threshold": release.threshold,
            "correlation_id": ask.correlation_id,
            "vector": scored.vector.tobytes().hex(),
        }
        return orjson.dumps(line)

    return log_line


def sql_instant(instant: datetime) -> str:
    """An instant as both databases read it: UTC, microseconds, no zone.

    >>> sql_instant(datetime(2009, 4, 15, tzinfo=UTC))
    '2009-04-15 00:00:00.000000'
    """
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(" ", "microseconds")[:26]
