"""Signals that raise an exception in the main thread, but never within a transaction's own code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_LATER_SECONDS: Final = 0.01
# An exception raised within these can leave a transaction open, which then keeps every other writer waiting.
_NOT_WITHIN: Final = ("sqlalchemy.", "touchline.storage.")


@contextmanager
def raised_by(number: int, error: Callable[[], BaseException | None]) -> Iterator[None]:
    """Let a signal raise what `error` gives (None: nothing), as soon as the main thread is outside the database's code.

    Python runs a handler between any two lines of the main thread. A block of a transaction may be left by an
    exception, which undoes it; the lines that begin and end a transaction may not. A signal that waits longer than the
    block lasts meets the handler of before.
    """
    is_sent_again = threading.Event()

    def send() -> None:
        is_sent_again.clear()
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    def handle(_: int, frame: FrameType | None) -> None:
        if is_sent_again.is_set():
            return  # also a signal in the middle of the lines below
        if _may_raise_in(frame):
            if (raised := error()) is not None:
                raise raised
            return
        is_sent_again.set()
        later = threading.Timer(_LATER_SECONDS, send)
        later.daemon = True
        later.start()

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)


def _may_raise_in(frame: FrameType | None) -> bool:
    if frame is not None and frame.f_globals.get("__name__") == "contextlib":
        return False  # on the way into or out of a block
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_NOT_WITHIN):
            return False
        frame = frame.f_back
    return True
