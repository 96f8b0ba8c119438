"""The page *Jackpots* of the dashboard: enter one, see its tickets, and how the earlier ones did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.project import (
    FormField,
    FormPart,
    FormRows,
    PageContent,
    TablePart,
    TextPart,
)

from .jackpot_bodies import Jackpot, TicketBody
from .jackpot_routes import Jackpots
from .score_grid import OUTCOMES

if TYPE_CHECKING:
    from touchline.serving import RouteContext

    from .jackpot_bodies import PredictedFixture, TrackRecord

_SHOWN = 50
_ROUTE = "/api/jackpots"


def jackpots_page(context: RouteContext, item: str | None) -> PageContent:
    """All jackpots with a form for a new one, or the one with the id `item`."""
    jackpots = Jackpots(context)
    if item is not None:
        return _one(jackpots.find(item))
    history = jackpots.history(_SHOWN, None)
    return PageContent(
        sentence=_record_sentence(history.record, len(history.jackpots)),
        parts=(_new_jackpot(), _jackpot_table(history.jackpots)),
    )


def _record_sentence(record: TrackRecord, jackpots: int) -> str:
    """
    >>> from .jackpot_bodies import TrackRecord
    >>> _record_sentence(TrackRecord.model_construct(settled=0), 0)
    'No jackpot was entered yet.'
    """
    if not jackpots:
        return "No jackpot was entered yet."
    if not record.settled:
        return f"{jackpots} entered, none is settled yet."
    return (
        f"{record.won} of {record.settled} settled tickets won, {record.expected_to_win:.2f} were expected; "
        f"{record.fixtures_right} of {record.fixtures_observed} fixtures were right, "
        f"{record.fixtures_expected_right:.1f} ± {record.fixtures_standard_error:.1f} expected."
    )


def _new_jackpot() -> FormPart:
    odds = tuple(FormField(name=f"odds.{one}", label=f"Odds {one}", kind="number") for one in OUTCOMES)
    return FormPart(
        title="New jackpot",
        effect="Each fixture is predicted, the best ticket for the budget is found, and all of it is stored.",
        route=_ROUTE,
        button="Predict and store",
        item="id",
        fields=(
            FormField(name="name", label="Name"),
            FormField(name="budget", label="Budget", kind="number", value=8),
            FormField(name="stake", label="Stake for a column", kind="number", value=1),
            FormField(name="with_triples", label="Allow all three outcomes", kind="flag"),
        ),
        rows=FormRows(
            name="fixtures",
            label="Fixture",
            fields=(
                FormField(name="home_team", label="Home team", is_required=True, entities="teams"),
                FormField(name="away_team", label="Away team", is_required=True, entities="teams"),
                *odds,
            ),
        ),
    )


def _jackpot_table(jackpots: list[Jackpot]) -> TablePart:
    return TablePart(
        title="Jackpots, newest first",
        columns=("Jackpot", "Entered (project time)", "Fixtures", "Columns", "Cost", "Chance of all", "State"),
        rows=tuple(
            (
                one.name or one.id,
                f"{one.created_at:%Y-%m-%d %H:%M}",
                len(one.fixtures),
                one.best.columns,
                one.best.cost,
                one.best.chance_of_all,
                _state(one.best),
            )
            for one in jackpots
        ),
        items=tuple(one.id for one in jackpots),
        empty="Enter the first one above.",
    )


def _one(jackpot: Jackpot) -> PageContent:
    best = jackpot.best
    return PageContent(
        sentence=(
            f"{jackpot.name or 'The jackpot'}: {best.columns} columns for {best.cost:g} are all right with a chance of "
            f"{best.chance_of_all:.2%}; the single likeliest column with {jackpot.single.chance_of_all:.2%}. "
            f"It is {_state(best)}."
        ),
        parts=(*_notes(jackpot), _fixture_table(jackpot), _chances(jackpot), _void(jackpot)),
        tone="watch" if any(fixture.notes for fixture in jackpot.fixtures) else "plain",
    )


def _state(ticket: TicketBody) -> str:
    settlement = ticket.settlement
    if settlement is None:
        return "open"
    return f"{settlement.state}: {settlement.right} right, {settlement.wrong} wrong, {settlement.open} open"


def _fixture_table(jackpot: Jackpot) -> TablePart:
    return TablePart(
        title="Fixtures; choose one to see why its prediction is what it is",
        columns=("Fixture", *OUTCOMES, "Picks", "Expected goals", "Over 2.5", "Outcome"),
        rows=tuple(
            (
                f"{place}. {_teams(fixture)}",
                *(fixture.probabilities[outcome] for outcome in OUTCOMES),
                ", ".join(picks),
                " : ".join(f"{goals:.2f}" for goals in fixture.scores.expected_goals.values()),
                fixture.scores.over.get("2.5"),
                fixture.outcome,
            )
            for place, (fixture, picks) in enumerate(zip(jackpot.fixtures, jackpot.best.picks, strict=True), 1)
        ),
        predictions=tuple(fixture.prediction_id for fixture in jackpot.fixtures),
    )


def _teams(fixture: PredictedFixture) -> str:
    if None in fixture.teams:  # by feature values
        return str(fixture.request.get("example_id", "?"))
    return " – ".join(str(team) for team in fixture.teams)


def _chances(jackpot: Jackpot) -> TablePart:
    return TablePart(
        title="Chance of exactly so many right fixtures",
        columns=("Right", "Best ticket", "Single column"),
        rows=tuple(
            (right, best, single)
            for right, (best, single) in enumerate(
                zip(jackpot.best.chances_of_right, jackpot.single.chances_of_right, strict=True)
            )
        ),
    )


def _notes(jackpot: Jackpot) -> list[TextPart]:
    notes = [f"{_teams(fixture)}: {note}." for fixture in jackpot.fixtures for note in fixture.notes]
    voided = [
        f"Void by {one.actor}: fixtures {', '.join(map(str, one.fixtures))}, {one.reason}." for one in jackpot.voided
    ]
    return [TextPart(text=text) for text in [*notes, *voided]]


def _void(jackpot: Jackpot) -> FormPart:
    return FormPart(
        title="Void fixtures",
        effect="A void fixture counts as right in every ticket. Abandoned and moved matches are void.",
        route=f"{_ROUTE}/{jackpot.id}/void",
        button="Declare void",
        item="id",
        fields=(
            FormField(name="fixtures", label="Numbers of the fixtures", kind="numbers", is_required=True),
            FormField(name="reason", label="Reason", is_required=True),
        ),
    )
