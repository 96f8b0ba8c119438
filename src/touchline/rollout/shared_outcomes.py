"""Units of a split that share outcomes: several units have requested the same example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# A few rows, such as those of a client that invents an id, are left out. A unit that truly shares outcomes, such as
# users who ask about the same match, shares most of them.
_MOST_SHARING: Final = 0.05
_FEWEST_SHARING: Final = 20


@dataclass(frozen=True)
class SharedOutcomes:
    """How many of the units have requested an example of an earlier unit; `example` is the first such one.

    `is_common`: so many that the outcomes of the two versions are the same ones.
    """

    sharing: int
    units: int
    example: str | None

    @property
    def is_common(self) -> bool:
        return self.sharing >= _FEWEST_SHARING and self.sharing > _MOST_SHARING * self.units

    @property
    def message(self) -> str:
        """The numbers in words."""
        return f"{self.sharing} of {self.units} units asked for an example of another one, such as {self.example}"


def owners_of(requested: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first unit that has requested each example, from (example, unit) in time order: its outcome is this unit's.

    What arrives later changes no owner, so that the units of a verdict stay those that it was made from.

    >>> owners_of([("match-1", "ann"), ("match-2", "ben"), ("match-1", "ben")])
    {'match-1': 'ann', 'match-2': 'ben'}
    """
    owners: dict[str, str] = {}
    for example, unit in requested:
        owners.setdefault(example, unit)
    return owners


def shared_outcomes(requested: Iterable[tuple[str, str]]) -> SharedOutcomes:
    """The units that share outcomes, from (example, unit) in time order.

    >>> shared_outcomes([("match-1", "ann"), ("match-2", "ben"), ("match-1", "ben")])
    SharedOutcomes(sharing=1, units=2, example='match-1')
    """
    pairs = list(requested)
    owners = owners_of(pairs)
    shared = [(example, unit) for example, unit in pairs if owners[example] != unit]
    sharing, units = {unit for _, unit in shared}, {unit for _, unit in pairs}
    return SharedOutcomes(len(sharing), len(units), shared[0][0] if shared else None)
