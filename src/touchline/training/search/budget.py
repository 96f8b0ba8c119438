"""The time budget of a training: the searches leave enough time for the last fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Final

from touchline.training.estimators.base import Deadline
from touchline.training.search.candidates import Contender
from touchline.training.search.context import SearchContext

# For the evaluation, its intervals and explanations, and the reading and writing of models.
_AFTER_THE_FITS: Final = 0.07
# They compete, and seldom win.
_FOR_VARIANTS: Final = 0.1
# Settings that are found grow more and larger trees than the defaults, as often as not.
_MARGIN: Final = 1.5
# More seeds lowered the squared error on California housing's validation rows by 1 to 2 %, as no search did.
_FOR_BAGS: Final = 0.2
# A family whose defaults score this share worse than the best gets a third of its time.
_WORSE: Final = 0.03
_LEAST_SHARE: Final = 0.05


def search_shares(scores: Sequence[float]) -> list[float]:
    """Shares of the time for searches: they fall with how much worse than the best a family's defaults score.

    >>> [round(share, 2) for share in search_shares([0.30, 0.303, 0.6])]
    [1.0, 0.72, 0.05]
    """
    best = min(scores)
    return [max(_LEAST_SHARE, exp(-(score - best) / (_WORSE * max(abs(best), 1e-12)))) for score in scores]


@dataclass
class Budget:
    """The time of one training, from its beginning; without `seconds` in its declaration there is no end to it."""

    context: SearchContext
    at_once: int
    whole: Deadline = field(init=False)

    def __post_init__(self) -> None:
        self.whole = Deadline.within(self.context.training.seconds)

    @property
    def _left(self) -> float | None:
        """Seconds for fits; None without an end."""
        seconds = self.context.training.seconds
        return None if self.whole.left is None or seconds is None else self.whole.left - _AFTER_THE_FITS * seconds

    def for_searches(self, contenders: Sequence[Contender]) -> float | None:
        """Seconds for all searches: as declared, and no more than the last fits leave; None where nothing ends them."""
        declared, left = self.context.training.tune.seconds, self._left
        if left is None:
            return declared
        # The best comes with weights and SMOTE too.
        last = self._last_of_the_best(contenders)
        best = min(contenders, key=lambda contender: contender.score)
        has_variants = self.context.training.smote and self.context.rows.kind != "regression"
        closing = _MARGIN * last + (self.for_variants(best) or 0.0 if has_variants else 0.0) + self._for_bags(last)
        return max(0.0, min(max(left - closing, left / 2), declared or left))

    def to_spare(self, contenders: Sequence[Contender], searched: float) -> float | None:
        """Seconds for more searches, which have had so many, that no fit of what has been found will need.

        None where nothing ends them.
        """
        left, training = self._left, self.context.training
        if left is None:
            return None
        last = self._last_of_the_best(contenders)
        declared = left if training.tune.seconds is None else training.tune.seconds - searched
        return max(0.0, min(declared, left - _MARGIN * last * (training.bags if training.blend else 1)))

    def _for_bags(self, last: float) -> float:
        training = self.context.training
        more = training.bags - 1 if training.blend else 0
        return min(more * last, _FOR_BAGS * (training.seconds or 0.0))

    def for_variants(self, best: Contender) -> float | None:
        """Seconds for the best candidate's variants for rare classes; None where nothing ends them."""
        left, seconds = self._left, self.context.training.seconds
        if left is None or seconds is None:
            return None
        return max(0.0, min(left - _MARGIN * self._last_fits([best]), _FOR_VARIANTS * seconds))

    def bags(self, members: Sequence[Contender], with_chance: Sequence[Contender]) -> int:
        """The number of fits of a stochastic member of a blend: as declared, or as many as the time budget allows.

        Fits on windows have stopped later than they had to, so the estimate from them is on the safe side.
        """
        declared, left = self.context.training.bags, self._left
        if left is None:
            return declared
        more = (left - self._last_fits(members)) / max(self._last_fits(with_chance), 1e-9)
        return max(1, min(declared, 1 + int(more)))

    def _last_of_the_best(self, contenders: Sequence[Contender]) -> float:
        """About how long the last fits of a blend take, which is mostly of the best few."""
        shares = search_shares([contender.score for contender in contenders])
        return sum(share * self._last_fits([one]) for share, one in zip(shares, contenders, strict=True))

    def _last_fits(self, contenders: Sequence[Contender]) -> float:
        """About how long the evaluation fit and the shipping fit of these take, side by side."""
        fitted = sum(len(window.fit) for window in self.context.windows)
        share = 2 * len(self.context.rows) / fitted
        return share * sum(contender.out_of_fold.seconds for contender in contenders) / self.at_once
