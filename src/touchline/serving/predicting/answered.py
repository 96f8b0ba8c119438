"""The answer to a row, as a document and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from touchline.features import view_label
from touchline.registry import LoadedRelease
from touchline.serving.predicting.scored_row import ScoredRow, Statuses

PRODUCTION: Final = "production"  # the variant of rows that no rollout has assigned


@dataclass(slots=True)
class Answered:
    """The answer to one row, and its line for the log.

    `output` is the release's, also as JSON. `version` is the model version that answered, where that is not
    Production's. `facts` are the middle of the line, from which a version that makes the same vectors predicts the same
    row. `candidate_lacks` are the fields without which a rollout's candidate cannot predict it.
    """

    prediction_id: str
    scored: ScoredRow
    output: dict[str, Any]
    output_json: bytes
    line: bytes
    facts: bytes
    form: AnswerForm
    version: int | None = None
    candidate_lacks: Sequence[str] = ()

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


class AnswerForm:
    """The form of one release's answers. What is the same in all of them is written once."""

    def __init__(self, release: LoadedRelease) -> None:
        self._labels = [view_label(view.view, view.prefix) for view in release.views]
        self._origin = {"project": release.project, "release": release.id, "version": release.version}
        self._origin_json = orjson.dumps(self._origin)[1:-1]

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
        """What `to_json` makes of the document, in half the time."""
        scored = answered.scored
        text = b'{"prediction_id":"%s",%s,%s,"variant":"%s","cutoff":%s,"features":%s}' % (
            answered.prediction_id.encode(),
            answered.output_json[1:-1],
            self._origin_json,
            answered.variant.encode(),
            orjson.dumps(scored.cutoff, option=orjson.OPT_UTC_Z),
            to_json(self._features(scored.statuses)) if scored.statuses else b"{}",
        )
        if answered.candidate_lacks:
            return b'%s,"candidate_lacks":%s}' % (text[:-1], orjson.dumps([*answered.candidate_lacks]))
        return text

    def _features(self, statuses: Statuses) -> dict[str, Any]:
        """How the values of each view were read; none where the request gave them."""
        return {
            label: {"status": read.status, "event_timestamp": read.event_timestamp}
            for label, read in zip(self._labels, statuses, strict=False)
        }


def to_json(document: Any) -> bytes:
    """A response as JSON; instants end in Z."""
    return orjson.dumps(document, option=orjson.OPT_UTC_Z)
