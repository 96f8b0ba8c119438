"""The base of all errors."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["TouchlineError", "UsageError", "failure_in_words", "nearest"]


def nearest(name: str, allowed: Collection[str]) -> str:
    """A sentence that points to the nearest valid name, or lists the valid ones."""
    close = get_close_matches(name, allowed, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(sorted(allowed)) or 'none'}."


class TouchlineError(Exception):
    """Base of every error touchline raises on purpose."""


def failure_in_words(failure: BaseException) -> str:
    """The first line of any exception; the class goes before it where it is not one of ours.

    >>> failure_in_words(KeyError("odds"))
    "KeyError: 'odds'"
    """
    text = (str(failure).strip() or "no message").splitlines()[0]
    return text if isinstance(failure, TouchlineError) else f"{type(failure).__name__}: {text}"


class UsageError(TouchlineError):
    """The person's input is wrong; running it again unchanged fails again."""
