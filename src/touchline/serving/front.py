"""The outermost layer of the server: every request passes here; predictions are answered here.

FastAPI's own way through middleware, routing, dependencies and response models costs more than a prediction does, so
`POST /predict` is answered before it, from a plan made once per release. Everything else goes on to FastAPI.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from touchline.serving.answering import answer_body
from touchline.serving.problems import (
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    Overloaded,
    Problem,
    RequestTimedOut,
    respond,
)
from touchline.serving.releases import ReleaseSlot
from touchline.serving.state import Serving

_log = logging.getLogger("touchline.serving")
_JSON_TYPE = (b"content-type", b"application/json")
_LONGEST_CORRELATION_ID = 128


class ClientGone(Exception):
    """The client hung up before its body was complete."""


class Front:
    """ASGI middleware that answers predictions and guards the rest."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        self.app = app
        self.serving = serving
        self._predict = _predict_paths(serving)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        serving = self.serving
        headers = dict(scope["headers"])
        correlation_id = correlation_of(headers) or serving.ids.next()
        slot = self._predict.get(scope["path"])
        serving.in_flight += 1
        try:
            if slot is not None:
                await self._answer(slot, scope["method"], headers, correlation_id, receive, send)
            else:
                await self._pass_on(scope, headers, correlation_id, receive, send)
        finally:
            serving.in_flight -= 1

    async def _answer(
        self,
        slot: ReleaseSlot,
        method: str,
        headers: Mapping[bytes, bytes],
        correlation_id: str,
        receive: Receive,
        send: Send,
    ) -> None:
        started = perf_counter()
        serving, status = self.serving, 200
        try:
            if method != "POST":
                raise MethodNotAllowed(f"{method} is not allowed here; POST a row.", headers={"Allow": "POST"})
            self._admit(headers)
            body = await _read_body(receive, serving.limits.body_bytes, serving.limits.body_seconds)
            answer = answer_body(serving, slot, body, correlation_id)
        except ClientGone:
            slot.meter.clients_gone += 1
            return
        except Exception as wrong:  # noqa: BLE001  one request's fault must not become another's
            problem = _as_problem(wrong, correlation_id)
            status = problem.status
            await _send_problem(send, problem, correlation_id)
        else:
            await _send(send, 200, [_JSON_TYPE], answer, correlation_id)
        slot.meter.answered("/predict", status, perf_counter() - started)

    def _admit(self, headers: Mapping[bytes, bytes]) -> None:
        limits = self.serving.limits
        if self.serving.in_flight > limits.in_flight:
            raise Overloaded(f"{limits.in_flight} requests are being answered already.")
        length = headers.get(b"content-length")
        if length is not None and length.isdigit() and int(length) > limits.body_bytes:
            raise BodyTooLarge(limits.body_bytes)

    async def _pass_on(
        self, scope: Scope, headers: Mapping[bytes, bytes], correlation_id: str, receive: Receive, send: Send
    ) -> None:
        started = perf_counter()
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        status = 500

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                marked = [*message.get("headers", []), (b"x-correlation-id", correlation_id.encode())]
                message = {**message, "headers": marked}
            await send(message)

        try:
            self._admit(headers)
            await self.app(scope, _limited(receive, self.serving.limits.body_bytes), send_marked)
        except Problem as problem:
            status = problem.status
            await _send_problem(send, problem, correlation_id)
        route = getattr(scope.get("route"), "path", "unknown")
        self.serving.meter.answered(route, status, perf_counter() - started)


def correlation_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's id for this request, where it gave a printable one."""
    given = headers.get(b"x-correlation-id") or headers.get(b"x-request-id")
    if given is None or len(given) > _LONGEST_CORRELATION_ID or not given.isascii():
        return None
    text = given.decode("ascii")
    return text if text.isprintable() and text.strip() else None


def _predict_paths(serving: Serving) -> dict[str, ReleaseSlot]:
    paths = {f"/projects/{name}/predict": slot for name, slot in serving.slots.items()}
    return {"/predict": serving.slots[serving.default], **paths}


async def _read_body(receive: Receive, limit_bytes: int, limit_seconds: float) -> bytes:
    try:
        async with asyncio.timeout(limit_seconds):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body: bytes = message.get("body", b"")
            if not message.get("more_body", False):
                if len(body) > limit_bytes:
                    raise BodyTooLarge(limit_bytes)
                return body
            return await _read_rest(receive, body, limit_bytes)
    except TimeoutError:
        raise RequestTimedOut(limit_seconds) from None


async def _read_rest(receive: Receive, start: bytes, limit_bytes: int) -> bytes:
    parts, size, is_more = [start], len(start), True
    while is_more:
        if size > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        is_more = message.get("more_body", False)
    if size > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    return b"".join(parts)


def _limited(receive: Receive, limit_bytes: int) -> Receive:
    """The same body, refused as soon as it is too large, whatever length it announced."""
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit_bytes:
            raise HTTPException(413, BodyTooLarge(limit_bytes).detail)  # the one kind FastAPI lets through
        return message

    return receive_limited


def _as_problem(wrong: Exception, correlation_id: str) -> Problem:
    if isinstance(wrong, Problem):
        return wrong
    _log.exception("request %s failed", correlation_id, exc_info=wrong)
    return InternalError()


async def _send_problem(send: Send, problem: Problem, correlation_id: str) -> None:
    response = respond(problem, correlation_id)
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    await _send(send, response.status, headers, response.body, correlation_id)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, correlation_id: str) -> None:
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            *headers,
            (b"content-length", str(len(body)).encode()),
            (b"x-correlation-id", correlation_id.encode()),
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
