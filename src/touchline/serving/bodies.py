"""Request bodies: read whole, within limits of size and time."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from touchline.serving.problems import BodyTooLarge, RequestTimedOut


class ClientGone(Exception):
    """The client hung up before its body was complete: there is nobody left to tell."""


async def read_body(receive: Receive, limit_bytes: int, limit_seconds: float) -> bytes:
    """The whole body. Raises `BodyTooLarge`, `RequestTimedOut` or `ClientGone`."""
    try:
        async with asyncio.timeout(limit_seconds):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                body = await _read_rest(receive, body, limit_bytes)
    except TimeoutError:
        raise RequestTimedOut(limit_seconds) from None
    if len(body) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    return body


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


def limited(receive: Receive, limit_bytes: int) -> Receive:
    """The same body for FastAPI to read, refused as soon as it is too large, whatever length it announced."""
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit_bytes:
            raise HTTPException(413, BodyTooLarge(limit_bytes).detail)  # the one kind FastAPI lets through
        return message

    return receive_limited
