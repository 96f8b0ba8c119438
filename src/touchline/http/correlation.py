"""The request of each log line: correlation ids and W3C trace context."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST = 128

PROBE_ID: Final = "touchline-probe"
"""The correlation id of a request that asks which release answers; its prediction counts nowhere."""


@dataclass(frozen=True)
class TraceContext:
    """The caller's place in a distributed trace."""

    trace_id: str
    parent_id: str
    is_sampled: bool = True


def trace_context(headers: Mapping[bytes, bytes]) -> TraceContext | None:
    """The W3C trace context of a request; a malformed one counts as none.

    >>> trace_context({b"traceparent": b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"}).parent_id
    '2222222222222222'
    """
    given = headers.get(b"traceparent")
    if given is None:
        return None
    found = _TRACEPARENT.fullmatch(given)
    if found is None or found[1] == b"0" * 32 or found[2] == b"0" * 16:
        return None
    return TraceContext(found[1].decode(), found[2].decode(), bool(int(found[3], 16) & 1))


def correlation_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's id for this request where it gave a printable one, else its trace id."""
    given = headers.get(b"x-correlation-id") or headers.get(b"x-request-id")
    if given is not None and len(given) <= _LONGEST and given.isascii():
        text = given.decode("ascii").strip()
        if text and text.isprintable():
            return text
    if b"traceparent" in headers:
        context = trace_context(headers)
        return context.trace_id if context else None
    return None
