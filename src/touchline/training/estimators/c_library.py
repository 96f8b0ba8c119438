"""A C library called by declared signatures: functions are looked up, and arguments typed, when it opens."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchline.errors import ModelDamaged

Signatures = Mapping[str, tuple[Any, ...]]


class CLibrary:
    """Functions that return 0, or another number and leave a message in `last_error`.

    A function that the installed version lacks is refused here, by name, and not in the middle of a prediction.
    ctypes then checks the number and the types of the arguments of every call.
    """

    def __init__(self, name: str, path: Path, signatures: Signatures, *, last_error: str) -> None:
        self.name = name
        library = ctypes.CDLL(str(path))
        self._functions = {
            function: _declared(name, path, library, function, arguments) for function, arguments in signatures.items()
        }
        self._last_error = _declared(name, path, library, last_error, ())
        self._last_error.restype = ctypes.c_char_p

    def call(self, function: str, *arguments: object) -> None:
        """Call a function; raises `ModelDamaged` with the library's own message."""
        if self._functions[function](*arguments) != 0:
            raise self.failure()

    def failure(self) -> ModelDamaged:
        """The error that the library left for this thread."""
        message = self._last_error().decode(errors="replace")
        return ModelDamaged(self.name, (message.splitlines() or ["it gives no reason"])[0])


def holding_interpreter(name: str, path: Path, function: str, arguments: tuple[Any, ...]) -> Any:
    """A function that keeps the interpreter's lock: releasing it for 20 us lets another thread take it for ms."""
    return _declared(name, path, ctypes.PyDLL(str(path)), function, arguments)


def _declared(name: str, path: Path, library: ctypes.CDLL, function: str, arguments: tuple[Any, ...]) -> Any:
    try:
        declared = getattr(library, function)
    except AttributeError:
        reason = f"{path.name} of the installed {name} has no function {function}"
        raise ModelDamaged(name, f"{reason}; install the version that the release records") from None
    declared.argtypes = arguments
    return declared
