"""Closes connections that send no whole request head in time and within its size, as Slowloris attacks do.

uvicorn closes a connection that is idle after a response. It waits without end for the first request, and for the
rest of a head of which a part has arrived.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 65_536


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol; a request head has `head_seconds` from its first byte, the first one from the connection."""

    head_seconds = HEAD_SECONDS
    _head_timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._follow_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_head(len(data))
        self._follow_head()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _limit_head(self, received: int) -> None:
        """Refuse a head that grows for ever: the parser joins its pieces, each time all of them."""
        if not self._is_in_head:
            self._head_bytes = 0
            return
        self._head_bytes += received
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of a request has {HEAD_BYTES} bytes at most.")

    def _follow_head(self) -> None:
        if self._is_answering():
            self._stop_timer()
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _give_up(self) -> None:
        self._head_timer = None
        if not self._is_answering():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
