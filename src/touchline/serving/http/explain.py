"""Why an answer is what it is: what each column adds to it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import orjson

from touchline.features import decode
from touchline.features.vectors.columns import Vectors
from touchline.http.problems import NotFound
from touchline.predictions import PredictionRecords
from touchline.registry import LoadedRelease
from touchline.serving.http.respond import predictor_of, read_rows
from touchline.serving.http.state import Serving
from touchline.serving.predicting.declared_field import FieldType, declared_field
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import RequestContext, cutoffs_of
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.training import Model, explain

MOST_ROWS = 32
# Python computes explanations and reads log rows: more threads would not end them sooner, but take time from the thread
# that predicts. They wait apart, since a database that hangs must not hold up explanations of given rows.
_TURNS: Final = threading.BoundedSemaphore(2)
_READS: Final = threading.BoundedSemaphore(2)


def explain_body(serving: Serving, slot: ReleaseSlot, body: bytes) -> dict[str, Any]:
    """The explanation of a row (or rows), as `/predict` takes them, or of a logged `prediction_id`."""
    predictor = predictor_of(slot)
    logged = _logged(serving, slot, body)
    if logged is not None:
        return _explanations(*logged)[0]
    vectors, is_many = _vectors(serving, slot, predictor, body, MOST_ROWS)
    told = _explanations(predictor.release, vectors)
    return {"explanations": told} if is_many else told[0]


def feature_values(serving: Serving, slot: ReleaseSlot, body: bytes) -> list[dict[str, Any]]:
    """The value of each column of the model, for each row."""
    predictor = predictor_of(slot)
    vectors, _ = _vectors(serving, slot, predictor, body, serving.limits.rows)
    return [dict(values) for values in decode(predictor.release.columns, vectors)]


def _vectors(
    serving: Serving, slot: ReleaseSlot, predictor: Predictor, body: bytes, most_rows: int
) -> tuple[Vectors, bool]:
    """The vectors of the rows of a body, and whether it was a list."""
    rows, is_many = read_rows(serving, predictor, body, most_rows)
    context = RequestContext("", None, slot.now(), slot.wall())
    vectors, _ = predictor.vectors(rows, cutoffs_of(rows, context), predictor.rows_to_look_up(rows))
    return vectors, is_many


def _logged(serving: Serving, slot: ReleaseSlot, body: bytes) -> tuple[LoadedRelease, Vectors] | None:
    """The release and the vector of a logged answer, where the body names one and nothing else."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(given, dict) or given.keys() != {"prediction_id"}:
        return None
    with _READS:
        row = PredictionRecords(serving.database, slot.project).find(str(given["prediction_id"]))
    predictor = slot.find_loaded(row.release_id)
    if predictor is None:
        raise NotFound(
            f"Release {row.release_id}, which answered, is not loaded. Replay it: touchline replay {row.prediction_id}"
        )
    return predictor.release, row.numbers.reshape(1, -1)


def _explanations(release: LoadedRelease, vectors: Vectors) -> list[dict[str, Any]]:
    model = release.model
    if not isinstance(model, Model) or release.background is None:
        raise NotFound(f"Release {release.id} has no explanation: its model is not one of touchline's.")
    with _TURNS:
        found = explain(model, vectors, release.background)
        names = _output_names(release, found.contributions.shape[2])
        times = _times(release)
        values = [
            {name: _shown(value, times.get(name)) for name, value in row.items()}
            for row in decode(release.columns, vectors)
        ]
        return [
            {
                "release": release.id,
                "version": release.version,
                "method": found.method,
                "space": found.space,
                "base": dict(zip(names, found.base.tolist(), strict=True)),
                "contributions": _by_size(values[index], found.contributions[index], found.columns, names),
            }
            for index in range(len(vectors))
        ]


def _times(release: LoadedRelease) -> dict[str, FieldType]:
    """The inputs that are days or instants; the model has their seconds since 1970."""
    kinds = {column.name: declared_field(column).type for column in release.inputs}
    return {name: kind for name, kind in kinds.items() if kind in ("date", "instant")}


def _shown(value: float | str | None, kind: FieldType | None) -> float | str | None:
    """The value of a column as a request has it.

    >>> _shown(1684022400.0, "date"), _shown(1684022400.0, "instant"), _shown(3.0, None)
    ('2023-05-14', '2023-05-14T00:00:00Z', 3.0)
    """
    if kind is None or not isinstance(value, float):
        return value
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    return instant.date().isoformat() if kind == "date" else instant.isoformat().replace("+00:00", "Z")


def _output_names(release: LoadedRelease, outputs: int) -> tuple[str, ...]:
    """The explained outputs: each class, or the second of two by its log-odds, or the value."""
    if release.kind == "regression":
        return ("value",)
    return release.classes if outputs == len(release.classes) else release.classes[-outputs:]


def _by_size(
    values: Mapping[str, Any], contributions: Vectors, columns: tuple[str, ...], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(contributions).sum(axis=1), kind="stable")
    return [
        {
            "column": columns[place],
            "value": values[columns[place]],
            "adds": dict(zip(names, contributions[place].tolist(), strict=True)),
        }
        for place in order
    ]
