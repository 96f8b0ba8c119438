"""The project of leads: its tables, its settings, and `POST /score`."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import polars as pl
import pytest

from tests.samples import a_small_sample, trained
from tests.serving.builders import on_loopback
from touchline.cli.opening import Home, OpenedProject
from touchline.cli.processes.apps import create_serving_app
from touchline.errors import InvalidProject, SourceFileMissing
from touchline.ingest import ingest_source, read_snapshot
from touchline.project import LoadedProject, load_project
from touchline.project.spec import Project
from touchline.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "projects" / "leads"


def loaded(monkeypatch: pytest.MonkeyPatch, table: str, data: Path, split: str = "time") -> LoadedProject:
    for name, value in (("TABLE", table), ("DATA", str(data)), ("SPLIT", split)):
        monkeypatch.setenv(f"LEADS_{name}", value)
    return load_project(FOLDER, base=ROOT)


def declared(monkeypatch: pytest.MonkeyPatch, table: str, data: Path, split: str = "time") -> Project:
    return loaded(monkeypatch, table, data, split).project


def ingested(opened: OpenedProject) -> pl.DataFrame:
    """The stored rows of the project's only source."""
    [source] = opened.project.sources
    ingest_source(source, project=opened.name, stores=opened.stores, clock=opened.clock)
    return read_snapshot(opened.name, source.name, opened.stores).scan_ingested().collect()


def module(name: str) -> ModuleType:
    from importlib import import_module

    load_project(FOLDER, base=ROOT)
    return import_module(f"touchline_projects.leads.{name}")


def test_an_unknown_table_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InvalidProject, match="caravan"):
        declared(monkeypatch, "carvan", tmp_path)


def test_a_misspelt_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADS_TABEL", "olist")
    with pytest.raises(InvalidProject, match=r"LeadsSettings.*tabel"):
        load_project(FOLDER, base=ROOT)


def test_a_missing_file_of_a_table_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = OpenedProject(Home(Settings(home=tmp_path / "home"), ROOT), loaded(monkeypatch, "olist", tmp_path))
    with pytest.raises(SourceFileMissing, match=r"no file matches '.*olist_marketing_qualified_leads.csv' \(looked"):
        ingested(opened)


@pytest.mark.parametrize(
    ("table", "split", "expected"),
    [
        ("caravan", "time", "stratified"),
        ("bank", "time", "time"),
        ("bank", "random", "stratified"),
        ("olist", "time", "time"),
        ("x_education", "time", "stratified"),
    ],
)
def test_a_table_with_time_is_split_by_time_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, split: str, expected: str
) -> None:
    assert declared(monkeypatch, table, tmp_path, split).training.split == expected


def test_no_column_that_the_sales_work_writes_is_an_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "duration" not in declared(monkeypatch, "bank", tmp_path).task.inputs
    inputs = set(declared(monkeypatch, "x_education", tmp_path).task.inputs)
    assert not inputs & {"tags", "lead_quality", "lead_profile", "last_activity", "last_notable_activity"}
    assert "total_time_spent_on_website" in inputs


def test_the_year_of_a_call_goes_up_where_the_month_falls_back() -> None:
    months = ["may", "may", "nov", "mar", "dec", "jan"]
    when = module("bank").dated(pl.DataFrame({"month": months}))["called_at"]
    assert [text[:7] for text in when] == ["2008-05", "2008-05", "2008-11", "2009-03", "2009-12", "2010-01"]
    assert when.is_sorted()


def test_every_lead_is_known_at_the_end_of_the_horizon_whether_won_or_not() -> None:
    leads = pl.DataFrame({"mql_id": ["a", "b", "c"], "first_contact_date": ["2018-01-01"] * 3})
    leads = leads.with_columns(landing_page_id=pl.lit("p"), origin=pl.lit("email"))
    won = ["2018-01-21 10:00:00", "2018-02-01 00:00:00", "2017-12-05 00:00:00"]
    deals = pl.DataFrame({"mql_id": ["a", "b", "older"], "won_date": won})
    found = module("olist").funnel(leads, deals)
    assert found["won"].to_list() == ["yes", "no", "no"]
    ends = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(days=30)
    assert found["settled_at"].to_list() == [ends, ends, ends]


def test_leads_of_before_the_first_recorded_deal_are_left_out() -> None:
    olist = module("olist")
    leads = pl.DataFrame({"mql_id": ["a", "b"], "first_contact_date": ["2017-11-01", "2018-01-01"]})
    leads = leads.with_columns(landing_page_id=pl.lit("p"), origin=pl.lit("email"))
    deals = pl.DataFrame({"mql_id": ["a"], "won_date": ["2017-12-05 00:00:00"]})
    assert olist.funnel(leads, deals)["mql_id"].to_list() == ["b"]


def test_the_banks_file_is_read_without_its_leak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = "age;job;marital;education;default;housing;loan;contact;month;day_of_week;duration;campaign;pdays;previous"
    names += ";poutcome;emp.var.rate;cons.price.idx;cons.conf.idx;euribor3m;nr.employed;y"
    row = "56;maid;married;basic.4y;no;no;no;telephone;may;mon;261;1;999;0;nonexistent;1.1;93.994;-36.4;4.857;5191;no"
    (tmp_path / "bank-additional-full.csv.gz").write_bytes(gzip.compress(f"{names}\n{row}\n".encode()))
    stored = ingested(
        OpenedProject(Home(Settings(home=tmp_path / "home"), ROOT), loaded(monkeypatch, "bank", tmp_path))
    )
    assert "duration" not in stored.columns
    found = stored.select("call", "called_at", "nr_employed", "y").row(0)
    assert found == (1, datetime(2008, 5, 1, tzinfo=UTC), 5191.0, "no")


@pytest.mark.services
def test_leads_are_scored_in_order_with_their_largest_reasons(tmp_path: Path) -> None:
    opened = a_small_sample("leads", tmp_path)
    trained(opened)
    rows = module("samples").caravan_rows()[0].head(40)
    people = rows.drop("person_id", "purchase").to_dicts()
    with on_loopback(create_serving_app(opened.home, [FOLDER], host="127.0.0.1")) as url:

        def post(path: str, body: Any) -> Any:
            return httpx.post(f"{url}{path}", json=body, timeout=120).raise_for_status().json()

        many = post("/score", people)["leads"]
        one = post("/projects/leads/score", people[7])
        expected = [row["probabilities"]["Yes"] for row in post("/predict", people)["predictions"]]
        explained = post("/explain", people[7])["contributions"]
        too_many = httpx.post(f"{url}/score", json=people * 6, timeout=120)
        wrong = {**people[0], "mostype": 99}
        refused = [httpx.post(f"{url}/score", json=body, timeout=120) for body in (wrong, [people[1], wrong])]
        empty = httpx.post(f"{url}/score", json=dict.fromkeys(people[0]), timeout=120)
    assert [lead["score"] for lead in many] == pytest.approx(expected)
    assert one["score"] == pytest.approx(expected[7])
    assert [reason["column"] for reason in one["reasons"]] == [part["column"] for part in explained[:5]]
    assert (too_many.status_code, too_many.json()["limit"]) == (422, 200)
    assert [response.status_code for response in refused] == [422, 422]
    assert [response.json()["errors"][0]["field"] for response in refused] == ["mostype", "1.mostype"]
    # A lead with nulls alone is refused by name of each column: this table's contract has no nullable one.
    assert empty.status_code == 422
    assert "mostype" in {error["field"] for error in empty.json()["errors"]}
