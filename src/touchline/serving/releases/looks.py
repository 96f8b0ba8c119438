"""The looks of a serving process at what others change: its journal, its keys, its rollouts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from touchline.errors import TouchlineError

_log = logging.getLogger("touchline.serving")


class Looks:
    """Named acts, done one after the other again and again. One that fails keeps none of the others, nor itself later.

    >>> seen = []
    >>> looks = Looks([("the keys", lambda: seen.append(1)), ("the journal", lambda: seen.append(2))])
    >>> looks.take()
    >>> seen
    [1, 2]
    """

    def __init__(self, acts: Sequence[tuple[str, Callable[[], object]]]) -> None:
        self._acts = acts
        self._failing: dict[str, str] = {}

    def take(self) -> None:
        """Do every act once. A failure is logged when it begins and when it changes, not at every look."""
        for name, act in self._acts:
            try:
                act()
            except Exception as failure:  # noqa: BLE001  a process that no longer follows its journal is worse than any failure
                self._log_once(name, failure)
            else:
                self._failing.pop(name, None)

    def _log_once(self, name: str, failure: Exception) -> None:
        told = f"{type(failure).__name__}: {failure}"
        if self._failing.get(name) == told:
            return
        self._failing[name] = told
        is_expected = isinstance(failure, TouchlineError)
        _log.warning("%s: not read, tried again at the next look: %s", name, told, exc_info=not is_expected)
