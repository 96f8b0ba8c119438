"""The base of all errors."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["TouchlineError", "UsageError", "nearest"]


def nearest(name: str, allowed: Collection[str]) -> str:
    """A sentence that points to the nearest valid name, or lists the valid ones."""
    close = get_close_matches(name, allowed, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(sorted(allowed)) or 'none'}."


class TouchlineError(Exception):
    """Base of every error touchline raises on purpose."""


class UsageError(TouchlineError):
    """The person's input is wrong; running it again unchanged fails again."""
