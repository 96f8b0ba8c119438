"""Jackpots: the tickets with the largest chance that all fixtures are right, and what became of a ticket.

A ticket picks one outcome of each fixture (a single), two (a double) or all three (a triple). It costs one stake for
each column, that is for each combination of its picks. Matches count as independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log, prod

VOID = "void"

Probabilities = Mapping[str, float]


@dataclass(frozen=True)
class Ticket:
    """The picks of each fixture, the likeliest first; the number of columns; the chance that all are right."""

    picks: tuple[tuple[str, ...], ...]
    columns: int
    chance_of_all: float


@dataclass(frozen=True)
class Settlement:
    """A ticket against the observed outcomes. `state` is open, won or lost; a void fixture counts as right."""

    state: str
    right: int
    wrong: int
    open: int
    void: int
    can_still_win: bool


def best_ticket(probabilities: Sequence[Probabilities], most_columns: int, *, with_triples: bool = False) -> Ticket:
    """The ticket of at most so many columns with the largest chance that all fixtures are right.

    Exact, by dynamic programming over the numbers of doubles and triples. A more costly ticket needs a larger chance.

    >>> match = {"home": 0.5, "draw": 0.3, "away": 0.2}
    >>> best_ticket([match, {"home": 0.9, "draw": 0.06, "away": 0.04}], 2).picks
    (('home', 'draw'), ('home',))
    """
    ranked = [sorted(match, key=lambda outcome: -match[outcome]) for match in probabilities]
    sizes = (1, 2, 3) if with_triples else (1, 2)
    # By the numbers of doubles and triples: the log of the chance, and how many outcomes each fixture has.
    best: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {(0, 0): (0.0, ())}
    for match, order in zip(probabilities, ranked, strict=True):
        covered = list(accumulate(match[outcome] for outcome in order))
        longer: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {}
        for (doubles, triples), (chance, counts) in best.items():
            for size in sizes:
                place = (doubles + (size == 2), triples + (size == 3))
                candidate = chance + log(max(covered[size - 1], 1e-300))
                is_affordable = 2 ** place[0] * 3 ** place[1] <= most_columns
                if is_affordable and (place not in longer or candidate > longer[place][0]):
                    longer[place] = (candidate, (*counts, size))
        best = longer
    columns_of = {place: 2 ** place[0] * 3 ** place[1] for place in best}
    place = max(best, key=lambda place: (best[place][0], -columns_of[place]))
    picks = tuple(tuple(order[:size]) for order, size in zip(ranked, best[place][1], strict=True))
    return Ticket(picks, columns_of[place], chance_of_all(probabilities, picks))


def chance_of_all(probabilities: Sequence[Probabilities], picks: Sequence[Sequence[str]]) -> float:
    """The chance that every fixture has one of its picks."""
    return prod(sum(match[pick] for pick in own) for match, own in zip(probabilities, picks, strict=True))


def chances_of_right(probabilities: Sequence[Probabilities], picks: Sequence[Sequence[str]]) -> list[float]:
    """The chance that exactly 0, 1, 2, ... fixtures have one of their picks (Poisson binomial).

    >>> chances_of_right([{"home": 0.5, "draw": 0.5}] * 2, [["home"], ["draw"]])
    [0.25, 0.5, 0.25]
    """
    chances = [1.0]
    for match, own in zip(probabilities, picks, strict=True):
        right = sum(match[pick] for pick in own)
        chances = [
            (chances[count] * (1 - right) if count < len(chances) else 0.0)
            + (chances[count - 1] * right if count else 0.0)
            for count in range(len(chances) + 1)
        ]
    return chances


def settle(picks: Sequence[Sequence[str]], outcomes: Sequence[str | None]) -> Settlement:
    """The state of a ticket; an outcome is None until it is observed, and `void` where the match does not count."""
    void = sum(outcome == VOID for outcome in outcomes)
    hits = [outcome == VOID or outcome in own for own, outcome in zip(picks, outcomes, strict=True)]
    still_open = sum(outcome is None for outcome in outcomes)
    right = sum(hits)
    wrong = len(hits) - right - still_open
    state = "open" if still_open else "lost" if wrong else "won"
    return Settlement(state, right, wrong, still_open, void, can_still_win=wrong == 0)


def implied_probabilities(odds: Mapping[str, float]) -> dict[str, float]:
    """The probabilities that decimal odds imply, the margin removed in proportion."""
    total = sum(1 / price for price in odds.values())
    return {outcome: 1 / price / total for outcome, price in odds.items()}
