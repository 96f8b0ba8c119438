"""Heads of requests for a prediction that have been parsed before: the same bytes mean the same.

A client that keeps its connection sends the same head again, but for the length of the body. Parsing it and making its
headers costs as much as checking a row of 30 fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from touchline.http.correlation import correlation_of

if TYPE_CHECKING:
    from touchline.serving.releases.release_slot import ReleaseSlot

# A few lengths of the body for each of many clients; at most 2 MB.
_MOST_HEADS: Final = 1024
_LONGEST_HEAD: Final = 2048
_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class RequestHead:
    """The head of a `POST` for a prediction. Names of headers are in lower case.

    `is_admitted_openly`: admitted while requests needed no key, so that its length and its origin are allowed.
    """

    slot: ReleaseSlot
    url: bytes
    headers: Mapping[bytes, bytes]
    correlation_id: str | None
    is_admitted_openly: bool = False

    @classmethod
    def of(cls, slot: ReleaseSlot, url: bytes, headers: list[tuple[bytes, bytes]]) -> RequestHead:
        """The head that the parser has read."""
        named = dict(headers)
        return cls(slot, url, named, correlation_of(named))


class RequestHeads:
    """The heads of answered requests by their bytes. Admission, keys and limits are checked for each request again."""

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[RequestHead, int]] = {}

    def split(self, message: bytes) -> tuple[RequestHead, bytes] | None:
        """The head and the body of one whole request whose head is known; None for any other bytes."""
        start = message.find(_END) + len(_END)
        known = self._heads.get(message[:start])
        if known is None or len(message) != start + known[1]:
            return None
        return known[0], message[start:]

    def remember(self, message: bytes, head: RequestHead, body_bytes: int) -> None:
        """Keep the head of a message that the parser has read whole, unless it is the request's own.

        A client that names each request has another head each time.
        """
        start = len(message) - body_bytes
        if head.correlation_id is not None or start > _LONGEST_HEAD or message.find(_END) + len(_END) != start:
            return
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[message[:start]] = head, body_bytes
