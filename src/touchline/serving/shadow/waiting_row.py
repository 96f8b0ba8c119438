"""A row that waits for the version that did not answer it: the line of its answer in the log, which names that version.

Where the other version makes vectors of its own, the row itself and the values of its request are in it too. The log
leaves out what it has no column for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from touchline.serving.predicting.log_line import error_output
from touchline.serving.predicting.scored_row import RequestContext, RolloutTags, Row

BESIDE: Final = "beside"
_MARK: Final = b',"%s":{' % BESIDE.encode()


def waiting_line(line: bytes, start: bytes, prediction_id: str, more: bytes = b"") -> bytes:
    """The line of an answer with what is known of the prediction beside it.

    `start` is that of the line of the version that makes it; `more` are the row and its request, or why it cannot.
    """
    return b'%s%s%s"prediction_id":"%s"%s}}' % (line[:-1], _MARK, start[1:], prediction_id.encode(), more)


def request_facts(row: Row, context: RequestContext) -> bytes:
    """A checked row and the values of its request, for a version that makes a vector of its own.

    Raises `JSONEncodeError` for a value that no line can hold.
    """
    return b"," + orjson.dumps({"request": row, "context": context._asdict()}, default=vars)[1:-1]


def failure_facts(failure: str) -> bytes:
    """Why the other version cannot predict a row."""
    return b"," + orjson.dumps({"failure": failure})[1:-1]


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A row as it is read from a line of the log: the fields of its answer, and those of the prediction beside it."""

    answer: dict[str, Any]
    beside: dict[str, Any]

    @classmethod
    def of(cls, line: bytes) -> WaitingRow | None:
        """The row of a line; None where no other version is to predict it. Raises `ValueError` for no JSON object."""
        if _MARK not in line:
            return None
        answer = orjson.loads(line)
        if not isinstance(answer, dict):
            raise ValueError(f"not a row of the log: {line[:100]!r}")
        beside = answer.pop(BESIDE, None)
        if beside is None:  # the text is that of an input
            return None
        if not isinstance(beside, dict) or not beside.keys() >= {"project", "release_id", "prediction_id"}:
            raise ValueError(f"not a row that waits for its prediction: {line[:100]!r}")
        return cls(answer, {**beside, "answer_id": answer["prediction_id"]})

    @property
    def project(self) -> str:
        return str(self.beside["project"])

    @property
    def release_id(self) -> str:
        """The release that predicts it."""
        return str(self.beside["release_id"])

    @property
    def prediction_id(self) -> str:
        """The id of the prediction beside the answer."""
        return str(self.beside["prediction_id"])

    @property
    def answer_id(self) -> str:
        return str(self.beside["answer_id"])

    @property
    def failure(self) -> str | None:
        """Why it cannot be predicted, where that is known."""
        return self.beside.get("failure")

    @property
    def has_vector(self) -> bool:
        """Whether its vector is that of its answer."""
        return "request" not in self.beside

    @property
    def row(self) -> Row:
        """The row of its request."""
        return dict(self.beside["request"])

    @property
    def context(self) -> RequestContext:
        """The values of its request."""
        stored = self.beside["context"]
        instants = {name: datetime.fromisoformat(stored[name]) for name in ("now", "answered_at")}
        return RequestContext(**{**stored, **instants})

    @property
    def tags(self) -> RolloutTags:
        """How a rollout has assigned it."""
        return RolloutTags(**{name: self.beside[name] for name in RolloutTags.__slots__})

    def failed(self, failure: str) -> bytes:
        """The line of a row that its version failed to predict, with the vector of its answer."""
        return orjson.dumps({**self.answer, **self.beside, "role": "failed", "output": error_output(failure)})

    def predicted(self, facts: bytes | None, output: dict[str, Any]) -> bytes:
        """Its line in the prediction log. `facts` are those of the version that makes vectors of its own."""
        if facts is None:
            return orjson.dumps({**self.answer, **self.beside, "output": output})
        own = {name: value for name, value in self.beside.items() if name not in ("request", "context")}
        return b'%s,%s,"output":%s}' % (orjson.dumps(own)[:-1], facts, orjson.dumps(output))
