"""Answers a prediction as soon as its bytes have arrived, within uvicorn's protocol.

A request through ASGI costs a scope, a task, an event and two messages: as much as checking, scoring and logging a row.
A row that needs no waiting is answered in the callback that read it, also while a rollout runs. All other requests take
uvicorn's way: batches, models that batch, other routes, bodies that arrive late.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from touchline.serving.http.connection_timeout import TimedProtocol
from touchline.serving.http.fast_path import Front
from touchline.serving.http.request_heads import RequestHead
from touchline.serving.http.respond import SMALL_BYTES

if TYPE_CHECKING:
    from touchline.serving.releases.release_slot import ReleaseSlot

# Many clients send head and body in two packets; one that takes longer is read by uvicorn, under its limits.
_BODY_SECONDS = 0.05
# Requests with one of these take uvicorn's way; those of browsers are the application's middleware's too.
_SPECIAL_HEADERS = frozenset((b"connection", b"expect", b"origin", b"transfer-encoding", b"upgrade"))


class PredictProtocol(TimedProtocol):
    """uvicorn's protocol; a request that `Front.answer_at_once` can answer makes no ASGI call."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._front = _front_of(self.app) if not self.root_path and self.limit_concurrency is None else None
        self._slots: dict[bytes, ReleaseSlot] = {} if self._front is None else self._front.slots_by_url
        self._slot: ReleaseSlot | None = None  # of the prediction whose body is being read
        self._body, self._is_special = b"", False
        self._body_timer: asyncio.TimerHandle | None = None
        self._answered_head: RequestHead | None = None  # of the request that was answered at once last
        self._answered_at = 0.0  # when the last request was answered at once; 0 while another one is read
        self._idle_timer: asyncio.TimerHandle | None = None

    # --- the connection ---

    def data_received(self, data: bytes) -> None:
        begins_request = self._answered_at > 0
        if begins_request and self._answer_known(data):
            return
        self._answered_head = None
        HttpToolsProtocol.data_received(self, data)
        if self._answered_at:  # as most: nothing of another request has arrived
            if self._head_timer is not None:
                self._stop_timer()
            if begins_request and self._answered_head is not None:
                assert self._front is not None
                self._front.heads.remember(data, self._answered_head, len(self._body))
            return
        self._limit_head(len(data))
        self._follow_head()
        if self._slot is not None and self._body_timer is None:
            self._body_timer = self.loop.call_later(_BODY_SECONDS, self._pass_on)

    def connection_lost(self, exc: Exception | None) -> None:
        self._slot = None
        for timer in (self._body_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._pass_on()
        super().shutdown()

    def _is_answering(self) -> bool:
        return self._slot is not None or self._answered_at > 0 or super()._is_answering()

    # --- the parser's callbacks ---

    def on_message_begin(self) -> None:
        self._answered_at, self._is_in_head = 0.0, True
        self.url = b""
        self._is_special = False
        self.expect_100_continue = False
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _SPECIAL_HEADERS:
            self._is_special = True
            super().on_header(name, value)
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        slot = self._slots.get(self.url)
        if slot is not None and self._may_answer_at_once():
            self._slot, self._body = slot, b""
        else:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        if self._slot is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body
            if len(self._body) > SMALL_BYTES:
                self._pass_on()

    def on_message_complete(self) -> None:
        slot = self._slot
        if slot is None:
            super().on_message_complete()
            return
        assert self._front is not None
        request = RequestHead.of(slot, self.url, self.headers)
        response = self._front.answer_at_once(request, self._body, self.server_state.default_headers)
        if response is None:
            self._pass_on()
            super().on_message_complete()
            return
        self._slot, self._answered_head = None, request
        if self._body_timer is not None:
            self._stop_body_timer()
        self._write(response)
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _answer_known(self, data: bytes) -> bool:
        """Answer a request with a head that the parser has read before; False where it must read this one, too.

        The parser is between two requests and sees nothing of it.
        """
        if self.flow.write_paused:
            return False
        assert self._front is not None
        response = self._front.answer_packet(data, self.server_state.default_headers)
        if response is None:
            return False
        self._write(response)
        return True

    def _write(self, response: bytes) -> None:
        self.transport.write(response)
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()

    def _may_answer_at_once(self) -> bool:
        """Whether nothing is special about the request, and no response is under way before it."""
        return (
            not self._is_special
            and self.parser.get_method() == b"POST"
            and self.parser.should_keep_alive()  # HTTP/1.1, since no header says so
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def _begin_cycle(self) -> None:
        url, headers, is_waiting = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, is_waiting
        self.headers += headers
        super().on_headers_complete()

    def _pass_on(self) -> None:
        """Let uvicorn go on with the request that is being read."""
        self._stop_body_timer()
        if self._slot is None:
            return
        self._slot, body = None, self._body
        self._begin_cycle()
        if body:
            super().on_body(body)

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _close_if_idle(self) -> None:
        """Close a connection that has been idle since it was answered at once, as uvicorn does after its responses.

        One timer a connection: one for each response costs more than reading its request.
        """
        self._idle_timer = None
        if self._answered_at == 0.0:
            return
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)
        elif not self.transport.is_closing():
            self.transport.close()


def _front_of(app: Any) -> Front | None:
    """The application's own outermost layer; None where something unknown stands before it."""
    while isinstance(app, ProxyHeadersMiddleware):
        app = app.app
    front = getattr(app, "front", None)
    return front if isinstance(front, Front) else None
