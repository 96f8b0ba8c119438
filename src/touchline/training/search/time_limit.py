"""Work that must not take longer than its budget, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from touchline.errors import BudgetExceeded

Result = TypeVar("Result")

# Families that look at their deadline stop by themselves within this; those that do not are left behind.
_GRACE_SECONDS = 2.0


def run_within(seconds: float | None, who: str, work: Callable[[], Result]) -> Result:
    """Return or raise as `work` does, or raise `BudgetExceeded` once the time is up.

    A library that does not look at the clock cannot be stopped inside a process: its thread is left to end by itself,
    and ends with the process at the latest.

    >>> run_within(5.0, "a sum", lambda: 1 + 1)
    2
    """
    if seconds is None:
        return work()
    done: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as wrong:  # noqa: BLE001  raised again in the thread that waits
            failed.append(wrong)

    thread = Thread(target=run, name=f"fit {who}", daemon=True)
    thread.start()
    thread.join(seconds + _GRACE_SECONDS)
    if failed:
        raise failed[0]
    if not done:
        raise BudgetExceeded(who, seconds)
    return done[0]
