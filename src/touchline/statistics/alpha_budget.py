"""The alpha of repeated looks at a moving test window: looks spend it, fresh rows refill it.

Alpha spending (Lan & DeMets 1983) with the linear spending function of the information (Kim & DeMets 1987, rho = 1).
The information is the number of distinct rows ever looked at: as many rows as a test window holds bring alpha once. A
look may spend half of what is left, so that looks at the same rows spend alpha/2, alpha/4, … and within alpha together.
By the union bound, which holds for overlapping windows, the chance of a false improvement is at most alpha for as many
fresh rows as a window holds. A schedule that replaces a share f of the rows each time spends f·alpha at every look, for
ever. Without a refill, alpha/(k(k+1)) at look k is 275 times less after a year of weeks (f = 0.1).

An e-process over the rows that are fresh since the last look would hold one alpha for ever. It was not taken: it needs
bounded losses, it uses a tenth of the window at such a look, and its evidence ends with each change of the candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from touchline.errors import InvalidSample

_SPENT_AT_A_LOOK: Final = 0.5


@dataclass(frozen=True)
class AlphaBudget:
    """The part of alpha that further looks may spend, from 0 (before the first look) to 1."""

    unspent: float = 0.0

    def look(self, fresh_share: float) -> tuple[float, AlphaBudget]:
        """The part of alpha that a look may spend of whose rows this share is fresh, and the budget after it.

        >>> first, budget = AlphaBudget().look(1.0)
        >>> first, budget.look(0.0)[0]
        (0.5, 0.25)
        """
        if not 0 <= fresh_share <= 1:
            raise InvalidSample("The alpha of a look", f"a share of fresh rows of {fresh_share:g}", "0 to 1")
        available = min(1.0, self.unspent + fresh_share)
        spent = available * _SPENT_AT_A_LOOK
        return spent, AlphaBudget(available - spent)
