"""A log row as one line of JSON, as it lies in the spool and goes to the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from touchline.features import view_label
from touchline.registry import LoadedRelease
from touchline.serving.predicting.scored_row import RequestContext, ScoredRow

# A row that no rollout has assigned: Production answers.
_UNASSIGNED = {"role": "answer", "variant": "production", "probability": 1.0, "override": False}

LogLine = Callable[[ScoredRow, dict[str, Any], RequestContext, str], bytes]


def log_line_of(release: LoadedRelease) -> LogLine:
    """The function that writes one release's lines.

    What is the same in all of them is written once. Documents stand in a line as text, as they will in the database;
    entity keys are sorted, so that their text names the entity set; the vector is hexadecimal.
    """
    keys = sorted(release.entity_columns)
    inputs = tuple(column.name for column in release.inputs)
    labels = [view_label(view.view, view.prefix) for view in release.views]
    same = {
        "project": release.project,
        "release_id": release.id,
        "threshold": release.manifest.threshold,
    }
    start = _start(same, _UNASSIGNED)

    def log_line(scored: ScoredRow, output: dict[str, Any], context: RequestContext, prediction_id: str) -> bytes:
        row = scored.row
        entity_keys = orjson.dumps({name: row[name] for name in keys if row[name] is not None}) if keys else b"{}"
        texts = (
            f'{prediction_id}","request_id":"{context.request_id}","cutoff":"{sql_instant(scored.cutoff)}",'
            f'"answered_at":"{sql_instant(context.answered_at)}","vector":"{scored.vector.hex()}",'
        )
        documents = orjson.dumps(
            {
                "example_id": row["example_id"],
                "correlation_id": context.correlation_id,
                "entity_keys": entity_keys.decode(),
                "views": _views(labels, scored) if scored.statuses else "{}",
                "inputs": orjson.dumps({name: row[name] for name in inputs}).decode(),
                "output": orjson.dumps(output).decode(),
            }
        )
        first = start if scored.tags is None else _start(same, scored.tags.columns())
        return b"".join((first, texts.encode(), documents[1:]))

    return log_line


def _start(same: Mapping[str, Any], assignment: Mapping[str, Any]) -> bytes:
    return orjson.dumps({**same, **assignment})[:-1] + b',"prediction_id":"'


def _views(labels: Sequence[str], scored: ScoredRow) -> str:
    return orjson.dumps(
        {
            label: {
                "feature_version": found.feature_version,
                "status": found.status,
                "event_timestamp": found.event_timestamp,
                "watermark": found.watermark,
            }
            for label, found in zip(labels, scored.statuses, strict=True)
        }
    ).decode()


def sql_instant(instant: datetime) -> str:
    """An instant as both databases read it: UTC, microseconds, no zone.

    >>> sql_instant(datetime(2009, 4, 15, tzinfo=UTC))
    '2009-04-15 00:00:00.000000'
    """
    if (
        instant.tzinfo is UTC and instant.microsecond
    ):  # orjson leaves out a fraction of nought, and is four times faster
        text = orjson.dumps(instant).decode()
        return f"{text[1:11]} {text[12:27]}"
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[:26]
