"""An ASGI application that is made while others answer already."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from touchline.http.problems import InternalError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

_log = logging.getLogger("touchline.serving")


class LateRoutes:
    """FastAPI's routes, made once, in a thread. Requests for them wait until they are there."""

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        self._make = make
        self._app: FastAPI | None = None
        self._made, self._ending = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._made.is_set():
            await self._made.wait()
        if self._app is None:
            raise InternalError
        await self._app(scope, receive, send)

    async def wait(self) -> None:
        """Wait until the application is made, or cannot be."""
        await self._made.wait()

    async def live(self) -> None:
        """Make the application, and run whatever its routers start and end, until `end`."""
        try:
            app = await asyncio.to_thread(self._make)
            async with app.router.lifespan_context(app):
                self._app = app
                self._made.set()
                await self._ending.wait()
        except Exception:  # noqa: BLE001  whatever it is, predictions go on
            _log.exception("only predictions are answered: the other routes could not be made")
        finally:
            self._made.set()

    def end(self) -> None:
        """Let `live` end."""
        self._ending.set()
