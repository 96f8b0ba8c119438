"""The base of all errors."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

__all__ = [
    "PickledByAttributes",
    "TouchlineError",
    "UsageError",
    "as_sentence",
    "failure_in_words",
    "nearest",
    "without_passwords",
]


def nearest(name: str, allowed: Collection[str]) -> str:
    """A sentence that points to the nearest valid name, or lists the valid ones."""
    begun = sorted(other for other in allowed if name and other.startswith(name))
    close = get_close_matches(name, allowed, n=1) or begun[:1]
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(sorted(allowed)) or 'none'}."


def as_sentence(text: str) -> str:
    """The text with a full stop, unless it ends a sentence already.

    >>> as_sentence("unknown field"), as_sentence("Did you mean 'age'?")
    ('unknown field.', "Did you mean 'age'?")
    """
    return text if text.endswith(("?", ".", "!")) else f"{text}."


_QUERY = re.compile(
    r"([?&](?:password|passwd|pwd|sslpassword|(?:\w+_)?(?:token|secret)|api_?key|sig|signature)=)[^&\s]*", re.IGNORECASE
)
_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*:)[^\s]*(?=@)")


def without_passwords(text: str) -> str:
    """The text with the password of each address hidden, one with unencoded signs too.

    >>> without_passwords("redis://ops:s3/c@ret@cache:6379/0 timed out")
    'redis://ops:***@cache:6379/0 timed out'
    >>> without_passwords("https://x/y?api_key=s3cret&page=2&access_token=s3cret")
    'https://x/y?api_key=***&page=2&access_token=***'
    """
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***", text)) if "://" in text else text


class PickledByAttributes(Exception):
    """An exception that another process rebuilds from its message and attributes, whatever its constructor takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[PickledByAttributes], args: tuple[Any, ...], attributes: dict[str, Any]) -> PickledByAttributes:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class TouchlineError(PickledByAttributes):
    """Base of every error touchline raises on purpose. Passwords in addresses are hidden in every message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_passwords(message))


def failure_in_words(failure: BaseException) -> str:
    """The first line of any exception; the class goes before it where it is not one of ours.

    >>> failure_in_words(KeyError("odds"))
    "KeyError: 'odds'"
    """
    text = (str(failure).strip() or "no message").splitlines()[0]
    return text if isinstance(failure, TouchlineError) else without_passwords(f"{type(failure).__name__}: {text}")


class UsageError(TouchlineError):
    """The person's input is wrong; running it again unchanged fails again."""
