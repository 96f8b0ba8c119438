"""Request bodies: read whole, within limits of size and time."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from touchline.http.problems import BodyTooLarge, RequestTimedOut

if TYPE_CHECKING:
    from starlette.types import Message, Receive


class ClientGone(Exception):
    """The client hung up before its body was complete: there is nobody left to tell."""


class BodyReader:
    """Reads bodies and gives up those that do not come.

    A timer for each request costs more than reading it; instead `give_up_late` is called now and then.
    """

    def __init__(self) -> None:
        self._reading: dict[asyncio.Task[object], float] = {}

    async def read(self, receive: Receive, limit_bytes: int, limit_seconds: float) -> bytes:
        """The whole body. Raises `BodyTooLarge`, `RequestTimedOut` or `ClientGone`."""
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = monotonic() + limit_seconds
        try:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                body = await _read_rest(receive, body, limit_bytes)
        except asyncio.CancelledError:
            if task in self._reading:  # cancelled from outside, not by the time limit
                raise
            task.uncancel()
            raise RequestTimedOut(limit_seconds) from None
        finally:
            self._reading.pop(task, None)
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        return body

    def give_up_late(self) -> None:
        """End the reading of bodies whose time is over."""
        now = monotonic()
        for task in [task for task, until in self._reading.items() if until < now]:
            del self._reading[task]
            task.cancel()


async def _read_rest(receive: Receive, start: bytes, limit_bytes: int) -> bytes:
    parts, size, is_more = [start], len(start), True
    while is_more and size <= limit_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        is_more = message.get("more_body", False)
    return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read again; then whatever the client does next."""
    is_read = False

    async def receive_again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
