"""A row that waits for the version that did not answer it, as one line of JSON in the shadow's spool.

It is the line of the prediction log without the output. Where the other version makes vectors of its own, the row
itself is in it instead of the vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from touchline.serving.predicting.scored_row import RequestContext, RolloutTags, Row

_REQUEST: Final = b',"request":'  # a quote within a text has a backslash before it


def line_of_row(start: bytes, prediction_id: str, answer_id: str, facts: bytes) -> bytes:
    """The line of a row: `start` names the release that predicts it, `facts` are those of its answer or its request."""
    return b'%s"prediction_id":"%s","answer_id":"%s",%s}' % (start, prediction_id.encode(), answer_id.encode(), facts)


def request_facts(row: Row, context: RequestContext) -> bytes:
    """A checked row and the values of its request, for a version that makes a vector of its own.

    Raises `JSONEncodeError` for a value that no line can hold.
    """
    return orjson.dumps({"request": row, "context": context._asdict()}, default=vars)[1:-1]


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A row as it is read from the spool."""

    line: bytes
    fields: dict[str, Any]

    @classmethod
    def of(cls, line: bytes) -> WaitingRow:
        """Raises `ValueError` for a line that is no JSON object with the fields of a row."""
        fields = orjson.loads(line)
        if not isinstance(fields, dict) or not fields.keys() >= {"release_id", "prediction_id", "answer_id"}:
            raise ValueError(f"not a row that waits for its prediction: {line[:100]!r}")
        return cls(line, fields)

    @property
    def release_id(self) -> str:
        """The release that predicts it."""
        return str(self.fields["release_id"])

    @property
    def has_vector(self) -> bool:
        """Whether its vector is that of its answer."""
        return "vector" in self.fields

    @property
    def row(self) -> Row:
        """The row of its request."""
        return dict(self.fields["request"])

    @property
    def context(self) -> RequestContext:
        """The values of its request."""
        stored = self.fields["context"]
        instants = {name: datetime.fromisoformat(stored[name]) for name in ("now", "answered_at")}
        return RequestContext(**{**stored, **instants})

    @property
    def tags(self) -> RolloutTags:
        """How a rollout has assigned it."""
        return RolloutTags(**{name: self.fields[name] for name in RolloutTags.__slots__})

    def failed(self, output: dict[str, Any]) -> bytes:
        """The line of a row with a vector that its version failed to predict."""
        return orjson.dumps({**self.fields, "role": "failed", "output": output})

    def predicted(self, facts: bytes | None, output: dict[str, Any]) -> bytes:
        """Its line in the prediction log. `facts` are those of the version that makes vectors of its own."""
        if facts is None:
            return b'%s,"output":%s}' % (self.line[:-1], orjson.dumps(output))
        return b'%s,%s,"output":%s}' % (self.line[: self.line.index(_REQUEST)], facts, orjson.dumps(output))
