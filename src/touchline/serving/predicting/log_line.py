"""A log row as one line of JSON, as it lies in the spool. `database_writer` reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from touchline.features import view_label
from touchline.registry import LoadedRelease
from touchline.serving.predicting.scored_row import RequestContext, Row, ScoredRow

# A row that no rollout has assigned: Production answers.
_UNASSIGNED = {"role": "answer", "variant": "production", "probability": 1.0, "override": False}

LogLine = Callable[[ScoredRow, dict[str, Any], RequestContext, str], bytes]


def log_line_of(release: LoadedRelease) -> LogLine:
    """The function that writes one release's lines.

    What is the same in all of them is written once. The entity keys are sorted, so that their text names the entity
    set; the vector is hexadecimal. The process that drains the spool makes the columns of the database of a line.
    """
    keys = sorted(release.entity_columns)
    inputs_of = _inputs_reader(release)
    labels = [view_label(view.view, view.prefix) for view in release.views]
    same = {
        "project": release.project,
        "release_id": release.id,
        "threshold": release.manifest.threshold,
    }
    start = _start(same, _UNASSIGNED)

    def log_line(scored: ScoredRow, output: dict[str, Any], context: RequestContext, prediction_id: str) -> bytes:
        row = scored.row
        document = orjson.dumps(
            {
                "prediction_id": prediction_id,
                "request_id": context.request_id,
                "correlation_id": context.correlation_id,
                "cutoff": scored.cutoff,
                "answered_at": context.answered_at,
                "vector": scored.vector.hex(),
                "example_id": row["example_id"],
                "entity_keys": {name: row[name] for name in keys if row[name] is not None} if keys else {},
                "views": _views(labels, scored) if scored.statuses else {},
                "inputs": inputs_of(row),
                "output": output,
            }
        )
        first = start if scored.tags is None else _start(same, scored.tags.columns())
        return first + document[1:]

    return log_line


def _inputs_reader(release: LoadedRelease) -> Callable[[Row], Row]:
    """A function that takes the inputs of a release from a row; a copy without what else is in it costs a third."""
    names = tuple(column.name for column in release.inputs)
    others = tuple(sorted({"cutoff", "example_id"} if not release.views else {"cutoff", "example_id", "features"}))
    others += tuple(name for name in release.entity_columns if name not in names)

    def inputs_of(row: Row) -> Row:
        if len(row) != len(names) + len(others):  # a row of a rollout may have the other version's fields
            return {name: row[name] for name in names}
        inputs = row.copy()
        for name in others:
            del inputs[name]
        return inputs

    return inputs_of


def _start(same: Mapping[str, Any], assignment: Mapping[str, Any]) -> bytes:
    return orjson.dumps({**same, **assignment})[:-1] + b","


def _views(labels: Sequence[str], scored: ScoredRow) -> dict[str, Any]:
    return {
        label: {
            "feature_version": found.feature_version,
            "status": found.status,
            "event_timestamp": found.event_timestamp,
            "watermark": found.watermark,
        }
        for label, found in zip(labels, scored.statuses, strict=True)
    }
