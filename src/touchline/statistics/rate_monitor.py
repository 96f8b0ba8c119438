"""Harm by a higher rate at any time of a rollout, also where it begins after a long time without harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import exp, inf, log, log2
from typing import Any, Final, Self

from touchline.statistics.rate_sequence import (
    RateCount,
    RateGuardrail,
    RateVerdict,
    harm_evidence,
    harm_evidence_at_most,
    safety_evidence,
)

# The next start waits for this many trials of the new arm: a breach is diluted by at most as many.
_TRIALS_A_START: Final = 25
# Of the starts of each doubling of age, this many are retained.
_STARTS_AN_OCTAVE: Final = 4


@dataclass(frozen=True)
class RateStart:
    """The counts of both arms since one start; starts are numbered from 0."""

    number: int
    new: RateCount
    old: RateCount

    @property
    def log_stake(self) -> float:
        """The share of the capital that bets on a harm from this start on; over all starts they sum to 1."""
        if self.number == 0:
            return log(0.5)
        return log(0.5 / log2(self.number + 1) - 0.5 / log2(self.number + 2))


@dataclass(frozen=True)
class RateMonitor:
    """Counts of two arms since many starts, and the verdict. "harmful" stays; "harmless" is a verdict of now.

    Counts since the first request alone would need as many harmful requests as there were harmless ones. The evidence
    here is a weighted sum of the evidence since each start (a mixture over change points, Lai 1998; Shin, Ramdas &
    Rinaldo 2024, "E-detectors"). The weights sum to 1, so that the chance of a false "harmful" is at most alpha over
    the whole life, however many looks. Of old starts only some are retained, which can only lower the evidence.

    An event is any failure that is counted: an error, or an answer slower than a declared limit. Assumed is that the
    arm of a request is drawn at random, and that rates do not change while there is no harm, or change in both arms
    together; a burst that strikes one arm alone counts as harm.
    """

    guardrail: RateGuardrail
    total: RateStart
    starts: tuple[RateStart, ...]
    opened: int = 1
    is_harmful: bool = False

    @classmethod
    def start(cls, guardrail: RateGuardrail) -> Self:
        """No requests yet.

        >>> monitor = RateMonitor.start(RateGuardrail(margin=0.01))
        >>> for second in range(100):
        ...     monitor = monitor.update(RateCount(0, 50), RateCount(0, 50))
        >>> monitor.verdict, monitor.update(RateCount(25, 50), RateCount(0, 50)).verdict
        ('harmless', 'harmful')
        """
        first = RateStart(0, RateCount(), RateCount())
        return cls(guardrail, first, (first,))

    def update(self, new: RateCount, old: RateCount) -> Self:
        """The state after a batch of requests, such as those of a second; a look is taken at its end."""
        starts = self.starts
        opened = self.opened
        if starts[-1].new.trials >= _TRIALS_A_START:
            starts = (*_retained(starts, opened), RateStart(opened, RateCount(), RateCount()))
            opened += 1
        starts = tuple(_with_counts(each, new, old) for each in starts)
        state = replace(self, total=_with_counts(self.total, new, old), starts=starts, opened=opened)
        # Without an event in the new arm the evidence of harm does not grow.
        is_harmful = self.is_harmful or (
            new.events > 0 and state._may_be_harmful and state.p_value <= self.guardrail.alpha
        )
        return replace(state, is_harmful=is_harmful)

    @property
    def p_value(self) -> float:
        """That the new rate never exceeded the old one by more than the margin, from the counts of now."""
        return _p_value([each.log_stake + self._evidence(each, harm_evidence) for each in self.starts])

    @property
    def _may_be_harmful(self) -> bool:
        """A cheap bound first: most looks need no search for the likeliest rates."""
        evidences = [each.log_stake + self._evidence(each, harm_evidence_at_most) for each in self.starts]
        return _p_value(evidences) <= self.guardrail.alpha

    @property
    def verdict(self) -> RateVerdict:
        if self.is_harmful:
            return "harmful"
        evidence = safety_evidence(self.total.new, self.total.old, self.guardrail.margin)
        return "harmless" if evidence >= log(1 / self.guardrail.alpha) else "undecided"

    def _evidence(self, start: RateStart, evidence: Callable[[RateCount, RateCount, float], float]) -> float:
        new, old = start.new, start.old
        if new.events + old.events < self.guardrail.least_events:
            return -inf
        old_rate = old.events / old.trials if old.trials else 0.0
        # Where the null hypothesis fits best the evidence is below 0: leaving it out is on the safe side.
        if not new.trials or new.events / new.trials <= old_rate + self.guardrail.margin:
            return -inf
        return evidence(new, old, self.guardrail.margin)

    def to_json(self) -> dict[str, Any]:
        """Values that `json` writes and reads without loss."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(
            guardrail=RateGuardrail(**stored["guardrail"]),
            total=_start(stored["total"]),
            starts=tuple(_start(each) for each in stored["starts"]),
            opened=int(stored["opened"]),
            is_harmful=bool(stored["is_harmful"]),
        )


def _p_value(evidences: list[float]) -> float:
    """The reciprocal of the sum of evidences that are given as logarithms."""
    highest = max(evidences)
    if highest == -inf:
        return 1.0
    return min(1.0, exp(-highest) / sum(exp(each - highest) for each in evidences))


def _with_counts(start: RateStart, new: RateCount, old: RateCount) -> RateStart:
    return RateStart(start.number, start.new.update(new.events, new.trials), start.old.update(old.events, old.trials))


def _retained(starts: tuple[RateStart, ...], opened: int) -> tuple[RateStart, ...]:
    """The first start, and of the others fewer the older they are: those whose number is a multiple of a step."""
    return tuple(each for each in starts if each.number % _step(opened - each.number) == 0)


def _step(age: int) -> int:
    """The largest power of 2 that goes into the age so many times."""
    return 1 << max(age // _STARTS_AN_OCTAVE, 1).bit_length() - 1


def _start(stored: Mapping[str, Any]) -> RateStart:
    return RateStart(int(stored["number"]), RateCount(**stored["new"]), RateCount(**stored["old"]))
