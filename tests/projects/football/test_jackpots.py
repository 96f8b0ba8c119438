"""The best ticket is the best of all tickets, and settling counts what was observed."""

from __future__ import annotations

from itertools import combinations, product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects.football.jackpot_bodies import TicketBody
from projects.football.jackpots import VOID, best_ticket, chances_of_right, implied_probabilities, settle

OUTCOMES = ("home", "draw", "away")


def a_match(weights: tuple[float, ...]) -> dict[str, float]:
    return {outcome: weight / sum(weights) for outcome, weight in zip(OUTCOMES, weights, strict=True)}


matches = st.lists(st.tuples(*[st.floats(0.05, 1.0)] * 3).map(a_match), min_size=1, max_size=4)


@given(matches, st.integers(1, 40), st.booleans())
def test_no_affordable_ticket_has_a_larger_chance(
    fixtures: list[dict[str, float]], most_columns: int, with_triples: bool
) -> None:
    ticket = best_ticket(fixtures, most_columns, with_triples=with_triples)
    sizes = (1, 2, 3) if with_triples else (1, 2)
    picks = [picked for size in sizes for picked in combinations(OUTCOMES, size)]
    best = max(
        prod(sum(match[one] for one in own) for match, own in zip(fixtures, all_picks, strict=True))
        for all_picks in product(picks, repeat=len(fixtures))
        if prod(map(len, all_picks)) <= most_columns
    )
    assert ticket.chance_of_all == pytest.approx(best)
    assert ticket.columns == prod(map(len, ticket.picks)) <= most_columns


@given(matches)
def test_the_chances_of_each_number_of_right_fixtures_are_those_of_all_results(
    fixtures: list[dict[str, float]],
) -> None:
    picks = [["home"], ["draw", "away"], ["away"], ["home", "draw", "away"]][: len(fixtures)]
    by_hand = [0.0] * (len(fixtures) + 1)
    for results in product(OUTCOMES, repeat=len(fixtures)):
        right = sum(result in own for result, own in zip(results, picks, strict=True))
        by_hand[right] += prod(match[result] for match, result in zip(fixtures, results, strict=True))
    assert chances_of_right(fixtures, picks) == pytest.approx(by_hand)


def test_a_ticket_is_open_until_all_is_known_and_a_void_match_counts_as_right() -> None:
    picks = [["home"], ["home", "draw"], ["away"]]
    first = settle(picks, ["home", None, VOID])
    assert (first.state, first.right, first.open, first.can_still_win) == ("open", 2, 1, True)
    assert settle(picks, ["home", "draw", VOID]).state == "won"
    lost = settle(picks, ["home", "away", VOID])
    assert (lost.state, lost.right, lost.wrong, lost.void) == ("lost", 2, 1, 1)
    assert not settle(picks, ["draw", None, None]).can_still_win


def test_odds_without_a_margin_are_their_own_probabilities() -> None:
    assert implied_probabilities({"home": 2.0, "draw": 4.0, "away": 4.0}) == {"home": 0.5, "draw": 0.25, "away": 0.25}
    assert sum(implied_probabilities({"home": 1.8, "draw": 3.4, "away": 4.0}).values()) == pytest.approx(1)


def test_a_large_jackpot_is_solved_exactly_and_at_once() -> None:
    fixtures = [a_match((0.5, 0.3 - place / 300, 0.2)) for place in range(60)]
    ticket = best_ticket(fixtures, 10**9, with_triples=True)
    assert ticket.columns <= 10**9
    assert len(ticket.picks) == 60


def test_a_chance_that_rounding_moves_past_one_is_one() -> None:
    above = 0.1 + 0.2 + 0.7 + 2e-16
    assert above > 1
    fields = {"picks": [list(OUTCOMES)], "columns": 3, "cost": 3.0, "chance_of_all": above}
    ticket = TicketBody.model_validate({**fields, "chances_of_right": [-1e-17, above]})
    assert (ticket.chance_of_all, ticket.chances_of_right) == (1.0, [0.0, 1.0])
    with pytest.raises(ValueError, match="less than or equal to 1"):
        TicketBody.model_validate({**fields, "chances_of_right": [1.01]})
