"""A log row as one line of JSON, as it lies in the spool. `database_writer` reads it."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from touchline.features import view_label
from touchline.registry import LoadedRelease
from touchline.serving.predicting.scored_row import RequestContext, RolloutTags, Row, ScoredRow, Statuses

_FACTS = (
    b'"request_id":"%s","correlation_id":%s,"cutoff":%s,"answered_at":%s,"vector":"%s",'
    b'"example_id":%s,"entity_keys":%s,"views":%s,"inputs":%s'
)
_PLAIN_LINE = b'%s"prediction_id":"%s",' + _FACTS.replace(b'"example_id":%s', b'"example_id":null') + b',"output":%s}'
# A row that no rollout has assigned: Production answers.
_UNASSIGNED = {"role": "answer", "variant": "production", "probability": 1.0, "override": False}


class PlainScored(NamedTuple):
    """A scored plain row; its output and the instant that it was predicted as of are JSON."""

    vector: bytes
    statuses: Statuses
    output: bytes
    now: bytes


class LogLines:
    """The lines of one release in the log.

    What is the same in all of them is written once. `facts` are those of the row whichever version predicts it: they
    are written once for the answer and for the prediction beside it. The entity keys are sorted, so that their text
    names the entity set; the vector is hexadecimal. The process that drains the spool makes the columns of the
    database of a line.
    """

    def __init__(self, release: LoadedRelease) -> None:
        self._keys = sorted(release.entity_columns)
        self._inputs = tuple(column.name for column in release.inputs)
        self._inputs_of, self._has_inputs = _inputs_reader(release), bool(release.inputs)
        self._fields = frozenset({*_fields_beside_inputs(release), *self._inputs})
        self._labels = [view_label(view.view, view.prefix) for view in release.views]
        self._same = {"project": release.project, "release_id": release.id, "threshold": release.manifest.threshold}
        self.unassigned = self._started(_UNASSIGNED)
        # Cached: the values of one materialization mostly have the same status.
        self._views_json = lru_cache(256)(self._views)

    def start(self, tags: RolloutTags | None) -> bytes:
        """The start of a line: the release, and how the row was assigned."""
        return self.unassigned if tags is None else self._started(tags.columns())

    def facts(self, scored: ScoredRow, context: RequestContext) -> bytes:
        """The middle of a line. Raises `JSONEncodeError` for a value that no line can hold."""
        row, given, example_id = scored.row, context.correlation_id, scored.row["example_id"]
        return _FACTS % (
            context.request_id.encode(),
            b"null" if given is None else orjson.dumps(given),
            orjson.dumps(scored.cutoff),
            orjson.dumps(context.answered_at),
            hexlify(scored.vector),
            b"null" if example_id is None else orjson.dumps(example_id),
            self._entity_keys(row) if self._keys else b"{}",
            self._views_json(scored.statuses) if scored.statuses else b"{}",
            orjson.dumps(self._inputs_of(row)) if self._has_inputs else b"{}",
        )

    def plain_line(self, row: Row, scored: PlainScored, context: RequestContext, prediction_id: str) -> bytes:
        """The line of a plain row, which has its keys and inputs alone and is predicted as of now.

        It is that of `facts`, in one piece: most of a server's rows pass here.
        """
        request_id, given, now, answered_at = context
        vector, statuses, output, now_json = scored
        if self._keys:
            keys = self._entity_keys(row)
            row = {name: row[name] for name in self._inputs}
        else:
            keys = b"{}"
        return _PLAIN_LINE % (
            self.unassigned,
            prediction_id.encode(),
            request_id.encode(),
            b"null" if given is None else orjson.dumps(given),
            now_json,
            now_json if answered_at is now else orjson.dumps(answered_at),
            hexlify(vector),
            keys,
            self._views_json(statuses) if statuses else b"{}",
            orjson.dumps(row),
            output,
        )

    def failure(
        self,
        row: Row,
        context: RequestContext,
        tags: RolloutTags,
        failure: str,
        prediction_id: str,
        *,
        answer_id: str | None = None,
    ) -> bytes:
        """The line of a row that this release could not predict; `answer_id` names the answer that it is beside."""
        known = {**dict.fromkeys(self._fields), **row}  # it may have been refused for the lack of a field
        facts = self.facts(ScoredRow(known, row["cutoff"] or context.now, b"", (), []), context)
        start, output = self.start(tags), orjson.dumps(error_output(failure))
        if answer_id is None:
            return answer_line(start, prediction_id, facts, output)
        return line_beside(start, prediction_id, answer_id, facts, output)

    def _entity_keys(self, row: Row) -> bytes:
        return orjson.dumps({name: row[name] for name in self._keys if row[name] is not None})

    def _views(self, statuses: Statuses) -> bytes:
        """How the values of each view were read."""
        return orjson.dumps(
            {
                label: {
                    "feature_version": read.feature_version,
                    "status": read.status,
                    "event_timestamp": read.event_timestamp,
                    "watermark": read.watermark,
                }
                for label, read in zip(self._labels, statuses, strict=True)
            }
        )

    def _started(self, assignment: Mapping[str, Any]) -> bytes:
        return orjson.dumps({**self._same, **assignment})[:-1] + b","


def error_output(failure: str) -> dict[str, Any]:
    """What stands in place of the output of a prediction that failed."""
    return {"error": failure[:500]}


def answer_line(start: bytes, prediction_id: str, facts: bytes, output: bytes) -> bytes:
    """The line of an answer; `output` is JSON."""
    return b'%s"prediction_id":"%s",%s,"output":%s}' % (start, prediction_id.encode(), facts, output)


def line_beside(start: bytes, prediction_id: str, answer_id: str, facts: bytes, output: bytes) -> bytes:
    """The line of a prediction beside an answer, which it names."""
    return answer_line(b'%s"answer_id":"%s",' % (start, answer_id.encode()), prediction_id, facts, output)


def _fields_beside_inputs(release: LoadedRelease) -> tuple[str, ...]:
    """The fields of a checked row that are no inputs."""
    inputs = {column.name for column in release.inputs}
    reserved = ("cutoff", "example_id", "features") if release.views else ("cutoff", "example_id")
    return (*reserved, *(name for name in release.entity_columns if name not in inputs))


def _inputs_reader(release: LoadedRelease) -> Callable[[Row], Row]:
    """A function that takes the inputs of a release from a row; a copy without what else is in it costs a third."""
    names = tuple(column.name for column in release.inputs)
    others = _fields_beside_inputs(release)

    def inputs_of(row: Row) -> Row:
        if len(row) != len(names) + len(others):  # a row of a rollout may have the other version's fields
            return {name: row[name] for name in names}
        inputs = row.copy()
        for name in others:
            del inputs[name]
        return inputs

    return inputs_of
