"""What the routes of a project work with: predictions, their explanations and outcomes, and documents to store."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from time import sleep
from typing import Any

import orjson

from touchline.errors import UnknownPrediction
from touchline.predictions import Label, OutcomeRecords, PredictionRecords
from touchline.serving.http.explain import explain_body, feature_values
from touchline.serving.http.respond import answer, predictor_of, read_rows
from touchline.serving.http.route_documents import RouteDocuments
from touchline.serving.http.state import Serving
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.storage.ulids import Ulids

_LOG_WAITS = 40
_LOG_WAIT_SECONDS = 0.1


def _body(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps(list(rows), default=str).encode()  # orjson has no integers beyond 64 bits


class RouteContext:
    """The argument of a project's routers. A raised `Problem` or `TouchlineError` becomes the response.

    The methods block, so a route that calls them is a plain `def`, which FastAPI runs in a thread.
    """

    def __init__(self, serving: Serving, project: str) -> None:
        self._serving, self.project = serving, project

    @property
    def _slot(self) -> ReleaseSlot:
        return self._serving.slots[self.project]

    def now(self) -> datetime:
        """Project time."""
        return self._slot.now()

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A prediction for each row, as `/predict` gives them: the same checks, log and release."""
        new_id = Ulids().next  # a route of a project may run in a thread of its own
        answered = answer(self._serving, self._slot, _body(rows), new_id, most_rows=self._serving.limits.rows)
        return [one.answer for one in answered]

    def entity_keys(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The entity keys of each row, checked as by `/predict`; of a named open example, the keys of that example."""
        predictor = predictor_of(self._slot)
        checked, _ = read_rows(self._serving, predictor, _body(rows), self._serving.limits.rows)
        return [{name: row[name] for name in predictor.release.entity_columns} for row in checked]

    def features(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The values from which Production predicts each row now, by column of the model."""
        return feature_values(self._serving, self._slot, _body(rows))

    def explain(self, prediction_id: str) -> dict[str, Any]:
        """The explanation of a logged prediction, as `/explain` gives it. Raises `UnknownPrediction`.

        A new prediction reaches the database within two seconds, and this waits for it.
        """
        body = orjson.dumps({"prediction_id": prediction_id})
        for _ in range(_LOG_WAITS):
            with suppress(UnknownPrediction):
                return explain_body(self._serving, self._slot, body)
            sleep(_LOG_WAIT_SECONDS)
        return explain_body(self._serving, self._slot, body)

    def labels(self, prediction_ids: Collection[str]) -> dict[str, Label]:
        """The newest observed label by prediction, of those that have an outcome."""
        rows = PredictionRecords(self._serving.database, self.project).read(prediction_ids)
        keys = {row.prediction_id: row.example_key for row in rows}
        newest = OutcomeRecords(self._serving.database, self.project).newest(set(keys.values()))
        return {prediction_id: newest[key].label for prediction_id, key in keys.items() if key in newest}

    def documents(self, kind: str) -> RouteDocuments:
        """The stored documents of one kind."""
        return RouteDocuments(self._serving.database, self.project, kind)
