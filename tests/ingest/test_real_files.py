"""Real files, with all that is wrong with them, by declarations that a person would write."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import pytest
from pydantic import Field

from tests.ingest.builders import House
from touchline.contracts import (
    Contract,
    DateFormat,
    compile_contract,
    contract_imports,
    dataset_check,
    infer_contract,
    render_contract,
    row_check,
)
from touchline.ingest import CsvFiles, Source, current_rows, inspect_file, show_quarantine

pytestmark = pytest.mark.shared_data
NOW = datetime(2024, 8, 1, tzinfo=UTC)


class Match(Contract):
    league: str = Field(pattern="^[A-Z]+[0-9]$")
    day: Annotated[date, DateFormat("%d/%m/%y", "%d/%m/%Y")]
    time: str | None = Field(None, pattern=r"^\d\d:\d\d$")
    home: str
    away: str
    home_goals: int | None = Field(None, ge=0)
    away_goals: int | None = Field(None, ge=0)
    referee: str | None = None
    odds_home: float | None = Field(None, gt=1)
    market_home: float | None = Field(None, gt=1)

    @row_check
    def two_teams(cls) -> pl.Expr:
        return pl.col("home") != pl.col("away")

    @dataset_check
    def no_thin_league(cls, matches: pl.DataFrame) -> str | None:
        return None if matches.group_by("league").len()["len"].min() >= 300 else "a league has fewer than 300 matches"  # type: ignore[operator]  # a count


def one_market_price(matches: pl.DataFrame) -> pl.DataFrame:
    """BbAvH became AvgH in 2019/20."""
    names = [name for name in ("BbAvH", "AvgH") if name in matches.columns]
    return matches.with_columns(market_home=pl.coalesce(names)).drop(names)


KEPT = {
    "Div": "league",
    "Date": "day",
    "Time": "time",
    "HomeTeam": "home",
    "AwayTeam": "away",
    "FTHG": "home_goals",
    "FTAG": "away_goals",
    "Referee": "referee",
    "B365H": "odds_home",
}


def football(folder: Path, pattern: str) -> Source:
    ignore = tuple(dict.fromkeys([*_all_columns(folder, pattern) - {*KEPT, "BbAvH", "AvgH"}]))
    provider = CsvFiles(str(folder / "football" / pattern), rename=KEPT, ignore=ignore, prepare=one_market_price)
    return Source(
        "matches",
        contract=Match,
        key=("league", "day", "home"),
        event_time="day",
        hidden_until_known=("home_goals", "away_goals"),
        zone="Europe/London",
        provider=provider,
    )


def _all_columns(folder: Path, pattern: str) -> set[str]:
    found: set[str] = set()
    for file in (folder / "football").glob(pattern):
        with file.open(encoding="utf-8", newline="") as lines:
            found.update(next(csv.reader(lines)))
    return found


def test_seasons_whose_columns_and_dates_change_become_one_table(house: House, shared_data: Path) -> None:
    report = house.ingest(football(shared_data, "E0_*.csv"), now=NOW)
    assert (report.status, report.snapshot.rows, report.manifest.rejected) == ("new", 7220, 0)
    rows = report.snapshot.read()
    assert (rows["day"].min(), rows["day"].max()) == (date(2005, 8, 13), date(2024, 5, 19))
    with_time = rows.filter(pl.col("time").is_not_null())
    assert with_time["day"].min() > date(2019, 7, 1)  # type: ignore[operator]  # dates
    assert rows["market_home"].null_count() == 0
    # Known at the next midnight of London: 23:00 UTC in summer.
    assert rows.sort("day")["event_timestamp"][0] == datetime(2005, 8, 13, 23, tzinfo=UTC)


def test_a_season_at_its_middle_shows_fixtures_and_then_results(house: House, shared_data: Path) -> None:
    source = football(shared_data, "SP1_1819.csv")
    first = house.ingest(source, now=datetime(2018, 12, 31, tzinfo=UTC))
    played = first.snapshot.read()["home_goals"].is_not_null().sum()
    assert 100 < played < 250
    second = house.ingest(source, now=NOW)
    assert (second.manifest.settled, second.manifest.changed) == (380 - played, 0)
    assert current_rows(second.snapshot.read(), source.keys)["home_goals"].null_count() == 0


class Lead(Contract):
    mql_id: str = Field(min_length=32, max_length=32)
    first_contact_date: date
    landing_page_id: str
    origin: str | None = None


class Deal(Contract):
    mql_id: str
    won_date: datetime


def test_leads_and_the_deals_that_closed(house: House, shared_data: Path) -> None:
    leads = Source(
        "leads",
        contract=Lead,
        key="mql_id",
        event_time="first_contact_date",
        provider=CsvFiles(shared_data / "leads" / "olist_marketing_qualified_leads.csv"),
    )
    assert house.ingest(leads, now=NOW).snapshot.read()["origin"].null_count() == 45
    deals = Source(
        "deals",
        contract=Deal,
        key="mql_id",
        event_time="won_date",
        provider=CsvFiles(shared_data / "leads" / "olist_closed_deals.csv", ignore=("*",)),
    )
    assert house.ingest(deals, now=NOW).snapshot.rows == 672


class Customer(Contract):
    customer: str
    charges: float | None = Field(None, ge=0)
    churn: Literal["No", "Yes"]


def test_blanks_in_a_column_of_numbers_are_nulls(house: House, shared_data: Path) -> None:
    file = shared_data / "tabular" / "telco_churn.csv"
    rename = {"customerID": "customer", "TotalCharges": "charges", "Churn": "churn"}
    provider = CsvFiles(file, rename=rename, ignore=("*",))
    report = house.ingest(Source("customers", contract=Customer, key="customer", provider=provider), now=NOW)
    assert (report.snapshot.rows, report.snapshot.read()["charges"].null_count()) == (7043, 11)


class StrictCustomer(Customer):
    charges: float = Field(ge=0)  # type: ignore[assignment]  # the same column without nulls


def test_the_same_blanks_are_quarantined_where_no_null_may_be(house: House, shared_data: Path) -> None:
    file = shared_data / "tabular" / "telco_churn.csv"
    rename = {"customerID": "customer", "TotalCharges": "charges", "Churn": "churn"}
    provider = CsvFiles(file, rename=rename, ignore=("*",))
    report = house.ingest(Source("customers", contract=StrictCustomer, key="customer", provider=provider), now=NOW)
    assert (report.manifest.rejected, report.snapshot.rows) == (11, 7032)
    view = show_quarantine("nba", "customers", stores=house.stores)
    assert [(rule.rule, rule.rows) for rule in view.rules] == [("charges is not null", 11)]


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("tabular/adult_train.csv.gz", "income"),
        ("tabular/bike_sharing_hour.csv", "cnt"),
        ("tabular/california_housing.csv", "median_house_value"),
        ("tabular/telco_churn.csv", "Churn"),
        ("leads/bank-additional-full.csv.gz", "y"),
        ("leads/x_education_leads.csv.gz", "Converted"),
        ("leads/olist_closed_deals.csv", None),
        ("football/E0_1819.csv", "FTR"),
        ("nba/nba_games_odds_2008_2023.csv.gz", "score_home"),
    ],
)
def test_an_inferred_contract_takes_every_row_of_its_file(
    house: House, shared_data: Path, file: str, target: str | None
) -> None:
    sample = inspect_file(shared_data / file)
    found = infer_contract(sample.frame, name="table", target=target)
    arguments: dict[str, Any] = dict(sample.arguments)
    if found.row_number:
        arguments["row_column"] = found.key[0]
    default = CsvFiles.model_fields["null_values"].default
    source = Source(
        "table",
        contract=_executed(render_contract(found), contract_imports(found)),
        key=found.key,
        event_time=found.event_time,
        ahead=timedelta(days=3650),
        provider=CsvFiles(
            shared_data / file, rename=found.rename, null_values=(*default, *found.null_values), **arguments
        ),
    )
    report = house.ingest(source, now=NOW)
    assert (report.manifest.rejected, report.snapshot.rows) == (0, found.rows)


def _executed(source: str, imports: dict[str, tuple[str, ...]]) -> type[Contract]:
    lines = [f"from {module} import {', '.join(names)}" for module, names in imports.items()]
    space: dict[str, Any] = {"__name__": __name__, "Contract": Contract}
    exec(compile("\n".join(lines) + "\n" + source, "<rendered>", "exec", dont_inherit=True), space)
    contract: type[Contract] = space["Table"]
    assert compile_contract(contract).columns
    return contract


def test_what_leaks_in_real_tables_is_suspected(shared_data: Path) -> None:
    def suspects(file: str, target: str) -> set[str]:
        found = infer_contract(inspect_file(shared_data / file).frame, name="table", target=target)
        return {leak.column for leak in found.leaks}

    assert suspects("tabular/bike_sharing_hour.csv", "cnt") == {"casual", "registered"}
    assert suspects("leads/bank-additional-full.csv.gz", "y") == {"duration"}
    assert suspects("football/E0_1819.csv", "FTR") == {"fthg", "ftag"}
    written_by_sales = {"tags", "lead_quality", "lead_profile", "last_activity", "last_notable_activity"}
    assert suspects("leads/x_education_leads.csv.gz", "Converted") == written_by_sales
