"""Bounds of a rate that hold at every look, and whether a rate rose by more than a margin."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log
from typing import Final, Literal

from touchline.errors import InvalidSample
from touchline.statistics.samples import open_probability

RateVerdict = Literal["harmful", "harmless", "undecided"]
# Jeffreys' prior: it loses least to the best rate in hindsight, whatever that rate is (Krichevsky & Trofimov 1981).
_PRIOR: Final = 0.5
_BISECTIONS: Final = 60


@dataclass(frozen=True)
class RateCount:
    """Events among trials so far, such as failed requests; all that a sequence of looks needs to remember."""

    events: int = 0
    trials: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.trials:
            actual = f"{self.events} events in {self.trials} trials"
            raise InvalidSample("A rate", actual, "0 to as many events as trials")

    def update(self, events: int, trials: int) -> RateCount:
        """The counts with a batch added."""
        return RateCount(self.events + events, self.trials + trials)


@dataclass(frozen=True)
class RateGuardrail:
    """How much higher than the old model's rate the new one's may be, and the chance of each wrong verdict.

    Below `least_events` in both arms together no rate is called harmful, so that a service with few requests waits.
    """

    margin: float
    alpha: float = 0.01
    least_events: int = 5

    def __post_init__(self) -> None:
        open_probability("A guardrail", "alpha", self.alpha)
        if not 0 <= self.margin < 1:
            raise InvalidSample("A guardrail", f"margin {self.margin:g}", "a margin from 0 to below 1")


def rate_bounds(count: RateCount, *, alpha: float = 0.05, prior: float = _PRIOR) -> tuple[float, float]:
    """Bounds of a rate; the chance that it is ever outside is at most alpha, over all looks.

    The beta-binomial mixture (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, section 3.2): all rates under
    which the counts are less than 1/alpha times as unlikely as under a mixture over all rates.

    >>> low, high = rate_bounds(RateCount(10, 100))
    >>> round(low, 3), round(high, 3)
    (0.029, 0.228)
    """
    open_probability("Bounds of a rate", "alpha", alpha)
    least = _log_mixture(count, prior) - log(1 / alpha)
    estimate = count.events / count.trials if count.trials else 0.5
    return (
        0.0 if count.events == 0 else _edge(count, least, outside=0.0, inside=estimate),
        1.0 if count.events == count.trials else _edge(count, least, outside=1.0, inside=estimate),
    )


def compare_rates(new: RateCount, old: RateCount, guardrail: RateGuardrail) -> RateVerdict:
    """Whether the new rate is above the old one by more than the margin, at this look of any number of looks.

    >>> compare_rates(RateCount(40, 400), RateCount(4, 400), RateGuardrail(margin=0.01))
    'harmful'
    """
    level = log(1 / guardrail.alpha)
    has_events = new.events + old.events >= guardrail.least_events
    if has_events and harm_evidence(new, old, guardrail.margin) >= level:
        return "harmful"
    return "harmless" if safety_evidence(new, old, guardrail.margin) >= level else "undecided"


def harm_evidence(new: RateCount, old: RateCount, margin: float) -> float:
    """The log evidence against "the new rate is at most the old one and the margin".

    Universal inference (Wasserman, Ramdas & Balakrishnan 2020) with the beta-binomial mixture of each arm: the chance
    that it ever reaches log(1/alpha) is at most alpha.
    """
    return _evidence(new, old, margin, is_null=_rate(new) <= _rate(old) + margin)


def harm_evidence_at_most(new: RateCount, old: RateCount, margin: float) -> float:
    """An upper bound of `harm_evidence` for a new rate above the margin, without a search: that of one allowed pair."""
    trials = new.trials + old.trials
    rate = (new.events + old.events - margin * new.trials) / trials
    # A rate of 0 would be impossible after an event.
    rate = min(max(rate, 0.5 / trials), 1 - margin - 0.5 / trials)
    mixture = _log_mixture(new, _PRIOR) + _log_mixture(old, _PRIOR)
    return mixture - _log_likelihood(new, rate + margin) - _log_likelihood(old, rate)


def safety_evidence(new: RateCount, old: RateCount, margin: float) -> float:
    """The log evidence against "the new rate is at least the old one and the margin"."""
    return _evidence(new, old, margin, is_null=_rate(new) >= _rate(old) + margin)


def _evidence(new: RateCount, old: RateCount, margin: float, *, is_null: bool) -> float:
    mixture = _log_mixture(new, _PRIOR) + _log_mixture(old, _PRIOR)
    if is_null:
        return mixture - _log_likelihood(new, _rate(new)) - _log_likelihood(old, _rate(old))
    rate = _likeliest_old_rate(new, old, margin)
    return mixture - _log_likelihood(new, rate + margin) - _log_likelihood(old, rate)


def _likeliest_old_rate(new: RateCount, old: RateCount, margin: float) -> float:
    """The old rate of the largest likelihood where the new one is higher by the margin: concave, so bisected."""
    low, high = 0.0, 1.0 - margin
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_rising = _slope(new, middle + margin) + _slope(old, middle) > 0
        low, high = (middle, high) if is_rising else (low, middle)
    return (low + high) / 2


def _slope(count: RateCount, rate: float) -> float:
    rising = count.events / rate if count.events else 0.0
    return rising - ((count.trials - count.events) / (1 - rate) if count.trials > count.events else 0.0)


def _edge(count: RateCount, least: float, *, outside: float, inside: float) -> float:
    """Between a rate of too small a likelihood and one that is likely: where the likelihood reaches the least."""
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if _log_likelihood(count, middle) > least else (middle, inside)
    return (outside + inside) / 2


def _rate(count: RateCount) -> float:
    return count.events / count.trials if count.trials else 0.0


def _log_likelihood(count: RateCount, rate: float) -> float:
    others = count.trials - count.events
    return (count.events * log(rate) if count.events else 0.0) + (others * log(1 - rate) if others else 0.0)


def _log_mixture(count: RateCount, prior: float) -> float:
    others = count.trials - count.events
    return _log_beta(prior + count.events, prior + others) - _log_beta(prior, prior)


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)
