"""The routes of jackpots: `POST /api/jackpots`, their history, settlement and contributions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import combinations
from math import sqrt
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from touchline.http.callers import ActorOfRequest
from touchline.http.problems import FieldProblem, InvalidRequest

from .contributions import goal_contributions, probability_contributions
from .jackpot_bodies import (
    Contributions,
    Fixture,
    FixtureContributions,
    History,
    Jackpot,
    NewJackpot,
    PredictedFixture,
    Scores,
    SettlementBody,
    TicketBody,
    TrackRecord,
    Voided,
    VoidedBy,
)
from .jackpots import VOID, Ticket, best_ticket, chances_of_right, implied_probabilities, settle
from .score_grid import OUTCOMES, goal_forecast, score_markets
from .team_names import TeamNames, read_team_names

if TYPE_CHECKING:
    from fastapi import APIRouter

    from touchline.serving import RouteContext

# A larger difference between the prediction and the odds is noted: one of the two lacks some news.
_DISAGREEMENT = 0.15
Teams = tuple[str | None, str | None]
_STATUSES = {
    "missing": "no history: the prediction takes it for an unknown team, such as one just promoted or a misspelt name",
    "expired": "no recent match: its older values are not used",
    "fallback": "no stored values: the fallback of the view gave them",
}


def jackpots_router(context: RouteContext) -> APIRouter:
    """The routes. They store documents of the kinds `jackpot`, `jackpot void` and `jackpot outcomes`."""
    from fastapi import APIRouter

    router, jackpots = APIRouter(), Jackpots(context)

    @router.post("/api/jackpots", summary="Predict the fixtures of a jackpot and find the best ticket for a budget")
    def post_jackpot(body: NewJackpot) -> Jackpot:
        return jackpots.add(body)

    @router.get("/api/jackpots", summary="Jackpots, newest first, and how they did")
    def get_jackpots(limit: Annotated[int, Field(ge=1, le=200)] = 20, before: str | None = None) -> History:
        return jackpots.history(limit, before)

    @router.get("/api/jackpots/{jackpot_id}", summary="One jackpot, settled as far as outcomes are known")
    def get_jackpot(jackpot_id: str) -> Jackpot:
        return jackpots.find(jackpot_id)

    @router.post("/api/jackpots/{jackpot_id}/void", summary="Declare abandoned or moved matches void")
    def post_void(jackpot_id: str, actor: ActorOfRequest, body: Voided) -> Jackpot:
        return jackpots.void(jackpot_id, body, actor=actor)

    @router.get("/api/jackpots/{jackpot_id}/contributions", summary="Why each probability is what it is")
    def get_contributions(jackpot_id: str) -> Contributions:
        return jackpots.contributions(jackpot_id)

    return router


class Jackpots:
    """The stored jackpots of the project."""

    def __init__(self, context: RouteContext) -> None:
        self._context = context
        self._jackpots = context.documents("jackpot")
        self._voids = context.documents("jackpot void")
        self._outcomes = context.documents("jackpot outcomes")
        self._names = read_team_names()

    def add(self, new: NewJackpot) -> Jackpot:
        """Predict the fixtures, find the tickets and store all of it."""
        rows = [_with_known_names(fixture.row, self._names) for fixture in new.fixtures]
        with _fields_of_fixtures():
            teams = [(keys["home_team"], keys["away_team"]) for keys in self._context.entity_keys(rows)]
        _validate_fixtures(rows, teams)
        with _fields_of_fixtures():
            predictions = self._context.predict(rows)
        values = self._context.features(rows)
        fixtures = [_predicted(*five) for five in zip(new.fixtures, rows, teams, predictions, values, strict=True)]
        _note_shared_teams(fixtures)
        probabilities = [fixture.probabilities for fixture in fixtures]
        tickets = {
            "single": best_ticket(probabilities, 1),
            "best": best_ticket(probabilities, int(new.budget / new.stake + 1e-9), with_triples=new.with_triples),
        }
        body = {
            **new.model_dump(include={"name", "budget", "stake"}),
            "fixtures": [fixture.model_dump(mode="json") for fixture in fixtures],
            **{
                name: _ticket(ticket, probabilities, new.stake).model_dump(mode="json")
                for name, ticket in tickets.items()
            },
        }
        return self.find(self._jackpots.add(body, now=self._context.now()).id)

    def find(self, jackpot_id: str) -> Jackpot:
        """The jackpot with the outcomes known now; those of a settled one are stored with it."""
        document = self._jackpots.find(jackpot_id)
        jackpot = Jackpot.model_validate({**document.body, "id": document.id, "created_at": document.created_at})
        jackpot.voided = [VoidedBy.model_validate(one.body) for one in self._voids.about(jackpot_id)]
        outcomes = self._newest_outcomes(jackpot)
        for fixture, outcome in zip(jackpot.fixtures, outcomes, strict=True):
            fixture.outcome = outcome
        for ticket in (jackpot.single, jackpot.best):
            ticket.settlement = SettlementBody.model_validate(asdict(settle(ticket.picks, outcomes)))
        return jackpot

    def _newest_outcomes(self, jackpot: Jackpot) -> list[str | None]:
        """Outcomes by fixture. All known are stored: the jackpot stays settled when old predictions are deleted."""
        stored = self._outcomes.about(jackpot.id)
        before: Mapping[str, str] = stored[-1].body if stored else {}
        labels = self._context.labels([fixture.prediction_id for fixture in jackpot.fixtures])
        voided = {number for one in jackpot.voided for number in one.fixtures}
        known = {**before, **{prediction_id: str(label) for prediction_id, label in labels.items()}}
        known |= {jackpot.fixtures[number - 1].prediction_id: VOID for number in voided}
        if len(known) == len(jackpot.fixtures) and known != before:
            self._outcomes.add(known, now=self._context.now(), about=jackpot.id)
        return [known.get(fixture.prediction_id) for fixture in jackpot.fixtures]

    def void(self, jackpot_id: str, voided: Voided, *, actor: str) -> Jackpot:
        """Declare fixtures void. Raises `InvalidRequest` for a number that the jackpot does not have."""
        fixtures = self.find(jackpot_id).fixtures
        wrong = [number for number in voided.fixtures if number > len(fixtures)]
        if wrong:
            allowed = f"a number from 1 to {len(fixtures)}"
            raise InvalidRequest([FieldProblem("fixtures", "is no number of a fixture", wrong[0], allowed)])
        self._voids.add({**voided.model_dump(mode="json"), "actor": actor}, now=self._context.now(), about=jackpot_id)
        return self.find(jackpot_id)

    def history(self, limit: int, before: str | None) -> History:
        """The newest jackpots with their track record."""
        jackpots = [self.find(document.id) for document in self._jackpots.newest(limit, before=before)]
        return History(jackpots=jackpots, record=_track_record(jackpots))

    def contributions(self, jackpot_id: str) -> Contributions:
        """The contributions behind each probability, by the release that predicted it."""
        fixtures = [self._contributions(fixture) for fixture in self.find(jackpot_id).fixtures]
        return Contributions(id=jackpot_id, fixtures=fixtures)

    def _contributions(self, fixture: PredictedFixture) -> FixtureContributions:
        explanation = self._context.explain(fixture.prediction_id)
        values = {column["column"]: column["value"] for column in explanation["contributions"]}
        return FixtureContributions(
            request=fixture.request,
            prediction_id=fixture.prediction_id,
            probabilities=fixture.probabilities,
            method=explanation["method"],
            outcomes=probability_contributions(explanation),
            goals=goal_contributions(values, fixture.probabilities),
        )


@contextmanager
def _fields_of_fixtures() -> Iterator[None]:
    """Refusals of rows name the places of this request's fields."""
    try:
        yield
    except InvalidRequest as refusal:
        raise InvalidRequest([replace(one, field=f"fixtures.{one.field}") for one in refusal.problems]) from None


def _with_known_names(row: Mapping[str, Any], names: TeamNames) -> dict[str, Any]:
    """The row with each team by its name in the project, where `team_names.csv` has the spelling."""
    known = dict(row)
    for side in ("home_team", "away_team"):
        if isinstance(known.get(side), str):
            known[side] = names.team_of_any_country(known[side]) or known[side]
    return known


def _validate_fixtures(rows: Sequence[Mapping[str, Any]], teams: Sequence[Teams]) -> None:
    """Raise `InvalidRequest` for a match that occurs twice, or of a team against itself.

    Two rows of the same home and away team are one match, whichever way they name it, unless their examples differ.
    """
    problems = []
    for place, (row, (home, away)) in enumerate(zip(rows, teams, strict=True)):
        if home is not None and home == away:
            problems.append(FieldProblem(f"fixtures.{place}", "a team plays itself", home, "two different teams"))
        same = [
            earlier
            for earlier in range(place)
            if teams[earlier] == (home, away) and (home is not None or rows[earlier] == row)
            if len({one["example_id"] for one in (rows[earlier], row) if one.get("example_id") is not None}) <= 1
        ]
        if same:
            message = f"is the same match as fixture {same[0] + 1}"
            problems.append(FieldProblem(f"fixtures.{place}", message, None, "each match once"))
    if problems:
        raise InvalidRequest(problems)


def _predicted(
    fixture: Fixture, row: Mapping[str, Any], teams: Teams, prediction: Mapping[str, Any], values: Mapping[str, Any]
) -> PredictedFixture:
    probabilities = {outcome: prediction["probabilities"][outcome] for outcome in OUTCOMES}
    market = implied_probabilities(fixture.odds.model_dump()) if fixture.odds else None
    return PredictedFixture(
        request=dict(row),
        teams=teams,
        prediction_id=prediction["prediction_id"],
        cutoff=prediction["cutoff"],
        probabilities=probabilities,
        scores=_scores(values, probabilities),
        market=market,
        notes=[*_view_notes(prediction["features"]), *_market_notes(fixture.odds, probabilities, market)],
    )


def _view_notes(views: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One note for each status but `present`, with the views that have it, such as `team_form:home`."""
    found: dict[str, list[str]] = {}
    for view, state in views.items():
        found.setdefault(state["status"], []).append(view)
    found.pop("present", None)
    return [
        f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} {_STATUSES.get(status, status)}"
        for status, names in found.items()
    ]


def _market_notes(odds: Any, probabilities: Mapping[str, float], market: Mapping[str, float] | None) -> list[str]:
    if market is None:
        return []
    notes = []
    margin = sum(1 / price for price in odds.model_dump().values()) - 1
    if margin < 0:
        notes.append(f"the odds add up to a margin of {margin:.1%}: one of the three is wrong, or of another bookmaker")
    gaps = {outcome: probabilities[outcome] - market[outcome] for outcome in OUTCOMES}
    largest = max(gaps, key=lambda outcome: abs(gaps[outcome]))
    if abs(gaps[largest]) > _DISAGREEMENT:
        notes.append(
            f"the odds disagree: {largest} {market[largest]:.2f} by the odds, {probabilities[largest]:.2f} predicted"
        )
    return notes


def _note_shared_teams(fixtures: Sequence[PredictedFixture]) -> None:
    for one, other in combinations(fixtures, 2):
        for team in sorted((set(one.teams) & set(other.teams)) - {None}, key=str):
            other.notes.append(f"{team} plays in two fixtures: their outcomes depend on one another")


def _scores(values: Mapping[str, Any], probabilities: Mapping[str, float]) -> Scores:
    markets = score_markets(goal_forecast(values).grid(probabilities))
    return Scores(
        expected_goals=dict(zip(("home", "away"), markets.expected_goals, strict=True)),
        over=dict(markets.over),
        under={line: 1 - over for line, over in markets.over.items()},
        both_score=markets.both_score,
        likeliest_scores=dict(markets.likeliest_scores),
    )


def _ticket(ticket: Ticket, probabilities: Sequence[Mapping[str, float]], stake: float) -> TicketBody:
    return TicketBody(
        picks=[list(own) for own in ticket.picks],
        columns=ticket.columns,
        cost=ticket.columns * stake,
        chance_of_all=ticket.chance_of_all,
        chances_of_right=chances_of_right(probabilities, ticket.picks),
    )


def _track_record(jackpots: Sequence[Jackpot]) -> TrackRecord:
    settled = [one for one in jackpots if one.best.settlement and one.best.settlement.state != "open"]
    picks = [
        (fixture.probabilities[own[0]], fixture.outcome == own[0])
        for one in jackpots
        for fixture, own in zip(one.fixtures, one.single.picks, strict=True)
        if fixture.outcome not in (None, VOID)
    ]
    return TrackRecord(
        settled=len(settled),
        won=sum(one.best.settlement.state == "won" for one in settled if one.best.settlement),
        expected_to_win=sum(one.best.chance_of_all for one in settled),
        fixtures_observed=len(picks),
        fixtures_right=sum(is_right for _, is_right in picks),
        fixtures_expected_right=sum(chance for chance, _ in picks),
        fixtures_standard_error=sqrt(sum(chance * (1 - chance) for chance, _ in picks)),
    )
