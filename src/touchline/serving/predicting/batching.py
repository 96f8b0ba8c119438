"""One call for all requests that wait for the same thing, where a call costs more than a hop to a thread.

A batch forms by itself while the one before is under way: nobody waits for company, and under light load a batch is
one request. For a model that answers a row in 30 µs this costs more than it saves, so it is used only where a
measurement when the release is loaded says that it pays, and for online stores across a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np

from touchline.http.problems import Overloaded
from touchline.registry import Scores

Request = TypeVar("Request")
Given = TypeVar("Given")

# A future, a wake-up of the thread and one of the loop: measured at 40 to 60 µs a request.
HOP_SECONDS = 60e-6
_SLOW_SECONDS = 2e-3
_BATCH = 32


class Batcher(Generic[Request, Given]):
    """Calls a function with everything that is waiting, one call at a time, in a thread of its own."""

    def __init__(
        self, call: Callable[[Sequence[Request]], Sequence[Given]], *, most: int = 64, most_waiting: int = 2048
    ) -> None:
        self._call, self._most, self._most_waiting = call, most, most_waiting
        self._waiting: list[tuple[Request, asyncio.Future[Given]]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="touchline-batch")
        self._is_running = False

    async def submit(self, one: Request) -> Given:
        """The function's result for one argument. Raises what the call raised, or `Overloaded`."""
        if len(self._waiting) >= self._most_waiting:
            raise Overloaded(f"{len(self._waiting)} requests wait for the same thing.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Given] = loop.create_future()
        self._waiting.append((one, future))
        if not self._is_running:
            self._is_running = True
            loop.call_soon(self._start, loop)
        return await future

    def close(self) -> None:
        """End the thread after its call. Requests that wait, or come to it late, are answered all the same."""
        self._thread.shutdown(wait=False)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        arguments = [one for one, _ in batch]
        try:
            running = loop.run_in_executor(self._thread, self._call, arguments)
        except RuntimeError:  # closed by a swap of releases, in another thread, while these waited
            running = loop.run_in_executor(None, self._call, arguments)
        running.add_done_callback(lambda done: self._finish(loop, batch, done))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[tuple[Request, asyncio.Future[Given]]],
        done: asyncio.Future[Sequence[Given]],
    ) -> None:
        if self._waiting:
            self._start(loop)
        else:
            self._is_running = False
        failure = done.exception()
        results: Sequence[Given] = [] if failure is not None else done.result()
        for place, (_, future) in enumerate(batch):
            if future.done():  # the client hung up meanwhile
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(results[place])


def is_slow(model: Scores, columns: int) -> bool:
    """Whether a row takes so long that other requests must not wait for it."""
    return _fastest(model, np.zeros((1, columns))) > _SLOW_SECONDS


def batching_pays(model: Scores, columns: int) -> bool:
    """Whether a row in a batch is cheaper than a row alone by more than the hop costs."""
    one, many = np.zeros((1, columns)), np.zeros((_BATCH, columns))
    saved = _fastest(model, one) - _fastest(model, many) / _BATCH
    return saved > HOP_SECONDS


def _fastest(model: Scores, vectors: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """The fastest of a few calls: the others met other work on the machine."""
    times = []
    for _ in range(5):
        started = perf_counter()
        model.predict(vectors)
        times.append(perf_counter() - started)
    return min(times)
