"""Which variant answers a unit: a hash decides, so that no store has to remember it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal

Variant = Literal["production", "candidate"]
RoutingMode = Literal["shadow", "ab", "canary", "holdout"]
_SIZE: Final = 2.0**64


@dataclass(frozen=True)
class Routing:
    """What a serving process does for a rollout; a new one takes over at the next request.

    `reference` is the release in Production that answers, or shares the units of a split; `candidate` is the other one.
    `share` is the candidate's percentage of units in `ab` and `canary`.
    """

    experiment: str
    mode: RoutingMode
    salt: str
    reference: str
    candidate: str
    share: int = 0
    unit: str | None = None
    overrides: Mapping[str, Variant] = field(default_factory=dict)

    @property
    def is_split(self) -> bool:
        """Whether units are divided between the variants."""
        return self.mode in ("ab", "canary")

    @property
    def has_shadow(self) -> bool:
        """Whether the variant that does not answer predicts too: as the pair, or as the covariate of a split."""
        return self.mode != "canary"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The variant of a unit. `probability` is the chance that a unit gets it; 1 where nothing was drawn."""

    variant: Variant
    unit: str | None
    probability: float
    is_override: bool = False


def assign(routing: Routing, unit: str | None) -> Assignment:
    """The variant that answers a unit. A unit that is null is answered by Production and counts for nothing.

    >>> routing = Routing("r1", "ab", "salt", "old", "new", share=50)
    >>> assign(routing, "user-1") == assign(routing, "user-1"), assign(routing, None).variant
    (True, 'production')
    """
    if unit is None:
        return Assignment("production", None, 1.0)
    forced = routing.overrides.get(unit)
    if forced is not None:
        return Assignment(forced, unit, 1.0, is_override=True)
    if place(routing.salt, unit) * 100 < routing.share:
        return Assignment("candidate", unit, routing.share / 100)
    return Assignment("production", unit, (100 - routing.share) / 100)


def place(salt: str, unit: str) -> float:
    """The place of a unit from 0 to 1, uniform over units and independent between salts.

    Units below the share get the candidate, so a larger share adds units and takes none away.
    """
    digest = blake2b(f"{salt}\0{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SIZE
