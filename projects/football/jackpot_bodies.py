"""Requests and responses of the jackpot routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MOST_FIXTURES = 60
_ROUNDING = 1e-9


def without_rounding(value: float) -> float:
    """A sum or product of probabilities that rounding has moved past 0 or 1, moved back.

    >>> without_rounding(1.0000000000000002), without_rounding(-1e-17), without_rounding(1.1)
    (1.0, 0.0, 1.1)
    """
    return min(max(value, 0.0), 1.0) if -_ROUNDING <= value <= 1 + _ROUNDING else value


Probability = Annotated[float, AfterValidator(without_rounding), Field(ge=0, le=1)]


class Odds(BaseModel):
    """Decimal odds of a bookmaker before kick-off, with which the prediction is compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: float = Field(gt=1, le=10_000, allow_inf_nan=False)
    draw: float = Field(gt=1, le=10_000, allow_inf_nan=False)
    away: float = Field(gt=1, le=10_000, allow_inf_nan=False)


class Fixture(BaseModel):
    """One match, as a row of `/predict`: by `home_team` and `away_team`, or by `example_id`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    odds: Odds | None = None

    @property
    def row(self) -> dict[str, Any]:
        """The request for the prediction."""
        return dict(self.__pydantic_extra__ or {})


class NewJackpot(BaseModel):
    """Fixtures, and what a ticket may cost: `budget` buys one column for each `stake`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "name": "Matchday 28",
                "fixtures": [{"home_team": "Schalke 04", "away_team": "Energie Cottbus"}],
                "budget": 8,
            }
        },
    )

    fixtures: Annotated[tuple[Fixture, ...], Field(min_length=1, max_length=MOST_FIXTURES)]
    name: str = Field("", max_length=200)
    budget: float = Field(1.0, gt=0, le=1e9, allow_inf_nan=False)
    stake: float = Field(1.0, ge=1e-6, le=1e9, allow_inf_nan=False)
    with_triples: bool = Field(False, description="whether a fixture may also have all three outcomes as picks")

    @model_validator(mode="after")
    def _buys_a_column(self) -> Self:
        if self.budget < self.stake:
            raise ValueError(f"the budget {self.budget:g} buys no column at the stake {self.stake:g}: raise the budget")
        return self


class Voided(BaseModel):
    """Fixtures that do not count, such as matches that were abandoned or moved, by their numbers from 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fixtures: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=MOST_FIXTURES)]
    reason: str = Field(min_length=3, max_length=500)


class VoidedBy(Voided):
    """Void fixtures, and the name of the API key that declared them void."""

    actor: str


class Scores(BaseModel):
    """Goals of a match, in agreement with its probabilities."""

    expected_goals: dict[str, float]
    over: dict[str, Probability]
    under: dict[str, Probability]
    both_score: Probability
    likeliest_scores: dict[str, Probability]


class PredictedFixture(BaseModel):
    """One fixture with its prediction. `notes` say what makes the prediction less certain than others."""

    request: dict[str, Any]
    teams: tuple[str | None, str | None] = (None, None)
    prediction_id: str
    cutoff: datetime
    probabilities: dict[str, Probability]
    scores: Scores
    market: dict[str, Probability] | None
    notes: list[str]
    outcome: str | None = None


class SettlementBody(BaseModel):
    """`state` is open, won or lost; a void fixture counts as right."""

    state: str
    right: int
    wrong: int
    open: int
    void: int
    can_still_win: bool


class TicketBody(BaseModel):
    """Picks by fixture; `chances_of_right` is the chance of exactly 0, 1, 2, ... right fixtures."""

    picks: list[list[str]]
    columns: int
    cost: float
    chance_of_all: Probability
    chances_of_right: list[Probability]
    settlement: SettlementBody | None = None


class Jackpot(BaseModel):
    """A stored jackpot: fixtures, the single column of the likeliest outcomes, the best ticket for the budget."""

    id: str
    created_at: datetime
    name: str
    budget: float
    stake: float
    fixtures: list[PredictedFixture]
    single: TicketBody
    best: TicketBody
    voided: list[VoidedBy] = []


class TrackRecord(BaseModel):
    """Observed against expected, of the listed jackpots. `fixtures_*` count the single column's picks."""

    settled: int
    won: int
    expected_to_win: float
    fixtures_observed: int
    fixtures_right: int
    fixtures_expected_right: float
    fixtures_standard_error: float


class History(BaseModel):
    """Jackpots, newest first, and how their tickets did."""

    jackpots: list[Jackpot]
    record: TrackRecord


class FixtureContributions(BaseModel):
    """`outcomes`: base and features sum to `total`, the predicted probabilities. `goals`: terms sum to the log."""

    request: dict[str, Any]
    prediction_id: str
    probabilities: dict[str, Probability]
    method: str
    outcomes: dict[str, Any]
    goals: dict[str, dict[str, float]]


class Contributions(BaseModel):
    """Why each probability of a jackpot is what it is."""

    id: str
    fixtures: list[FixtureContributions]
