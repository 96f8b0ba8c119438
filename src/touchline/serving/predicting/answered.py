"""The answer to a row, as a document and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from touchline.features import view_label
from touchline.registry import LoadedRelease
from touchline.serving.predicting.scored_row import ScoredRow, Statuses

PRODUCTION: Final = "production"  # the variant of rows that no rollout has assigned
_PRODUCTION_TEXT: Final = PRODUCTION.encode()
_ANSWER: Final = b'{"prediction_id":"%s",%s,%s,"variant":"%s","cutoff":%s,"features":%s}'
# Of more classes the series would be too many for Prometheus.
MOST_CLASSES: Final = 20
_UTC: Final = b'+00:00"'
_Z: Final = b'Z"'


@dataclass(slots=True)
class Answered:
    """The answer to one row, and its line for the log.

    `output` is the release's, also as JSON. `version` is the model version that answered, where that is not
    Production's. `candidate_lacks` are the fields without which a rollout's candidate cannot predict it. `waits` says
    that another version is to predict the row too, from its line.
    """

    prediction_id: str
    scored: ScoredRow
    output: dict[str, Any]
    output_json: bytes
    line: bytes
    form: AnswerForm
    version: int | None = None
    candidate_lacks: Sequence[str] = ()
    waits: bool = False

    @property
    def variant(self) -> str:
        """The variant that answered."""
        tags = self.scored.tags
        return PRODUCTION if tags is None else tags.variant

    @property
    def answer(self) -> dict[str, Any]:
        """The answer as a document."""
        return self.form.document(self)

    @property
    def json(self) -> bytes:
        """The same as JSON, for a response."""
        return self.form.json(self)


class Series(NamedTuple):
    """The labels that a release's answers are counted by; `classes` are those whose probabilities are."""

    version: int
    classes: tuple[str, ...]


class PlainAnswer(NamedTuple):
    """The answer to a plain row that no rollout concerns, as JSON, its line for the log, and what is counted of it."""

    json: bytes
    line: bytes
    series: Series
    scores: Sequence[float]
    statuses: Statuses


class AnswerForm:
    """The form of one release's answers. What is the same in all of them is written once."""

    def __init__(self, release: LoadedRelease) -> None:
        is_counted = release.kind != "regression" and len(release.classes) <= MOST_CLASSES
        self.series = Series(release.version, release.classes if is_counted else ())
        self._labels = [view_label(view.view, view.prefix) for view in release.views]
        self._origin = {"project": release.project, "release": release.id, "version": release.version}
        self._origin_json = orjson.dumps(self._origin)[1:-1]
        self._features_json = lru_cache(256)(self._json_of_features)

    def document(self, answered: Answered) -> dict[str, Any]:
        """The answer; its instants are instants."""
        scored = answered.scored
        lacks = {"candidate_lacks": [*answered.candidate_lacks]} if answered.candidate_lacks else {}
        return {
            "prediction_id": answered.prediction_id,
            **answered.output,
            **self._origin,
            "variant": answered.variant,
            "cutoff": scored.cutoff,
            "features": self._features(scored.statuses),
            **lacks,
        }

    def json(self, answered: Answered) -> bytes:
        """The same as JSON, whose instants end in Z: what orjson makes of the document, in half the time."""
        scored = answered.scored
        text = self.text(answered.prediction_id, answered.output_json, answered.variant, scored.cutoff, scored.statuses)
        if answered.candidate_lacks:
            return b'%s,"candidate_lacks":%s}' % (text[:-1], orjson.dumps([*answered.candidate_lacks]))
        return text

    def text(self, prediction_id: str, output_json: bytes, variant: str, cutoff: datetime, statuses: Statuses) -> bytes:
        """The JSON of an answer of these parts."""
        return _ANSWER % (
            prediction_id.encode(),
            output_json[1:-1],
            self._origin_json,
            variant.encode(),
            orjson.dumps(cutoff, option=orjson.OPT_UTC_Z),
            self._features_json(statuses) if statuses else b"{}",
        )

    def plain_text(self, prediction_id: str, output_json: bytes, now_json: bytes, statuses: Statuses) -> bytes:
        """The same for a plain row, predicted as of now."""
        return _ANSWER % (
            prediction_id.encode(),
            output_json[1:-1],
            self._origin_json,
            _PRODUCTION_TEXT,
            now_json.replace(_UTC, _Z),
            self._features_json(statuses) if statuses else b"{}",
        )

    def _json_of_features(self, statuses: Statuses) -> bytes:
        return orjson.dumps(self._features(statuses), option=orjson.OPT_UTC_Z)

    def _features(self, statuses: Statuses) -> dict[str, Any]:
        """How the values of each view were read; none where the request gave them."""
        return {
            label: {"status": read.status, "event_timestamp": read.event_timestamp}
            for label, read in zip(self._labels, statuses, strict=False)
        }
