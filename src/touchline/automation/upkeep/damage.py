"""A stored thing that is not as it was written, and the result of its repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written. `repair` rebuilds it and returns the result in words.

    `remedy` says what `repair` does; without one, what a person can do.
    """

    what: str
    problem: str
    remedy: str
    repair: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Repair:
    """The repair of one damage: what came of it, or why it failed."""

    damage: Damage
    result: str | None
    failure: str | None = None
