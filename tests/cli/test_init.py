"""A stranger's table by the command line: `init`, `plan`, `train` without an edit, and a prediction of its own file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from math import sin
from pathlib import Path
from random import Random

import polars as pl
import pytest

from tests.cli.conftest import Cli
from tests.stores import with_tables
from touchline.errors import ColumnUnknown, GateFailed, LeakageFound, TaskUnfit
from touchline.project import write_project


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Cli]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("TOUCHLINE_HOME", str(with_tables(tmp_path / "home")))
        yield Cli(tmp_path)


def in_production(home: Cli, table: Path, target: str, *options: str) -> pl.DataFrame:
    """The predictions of the table's own rows by the project that `init` writes."""
    home.run("init", "own", "--from", str(table), "--target", target, *options)
    home.run("plan", "-p", "own")
    home.run("train", "-p", "own")
    scored = home.json("predict", "-p", "own", "--file", str(table), "--out", str(home.place / "out.csv"))
    assert scored["refused"] == 0
    return pl.read_csv(scored["file"])


def written(place: Path, header: str, line: Callable[[int], str], rows: int = 400) -> Path:
    (place / "t.csv").write_text(header + "\n" + "".join(f"{line(n)}\n" for n in range(rows)))
    return place / "t.csv"


def test_a_target_that_grows_and_follows_the_season_is_learned(home: Cli, tmp_path: Path) -> None:
    def line(n: int) -> str:
        return (
            f"{date(2018, 1, 1) + timedelta(days=n):%d.%m.%Y},{n % 7},{100 + n / 2 + 15 * sin(n * 6.2832 / 365.25):.2f}"
        )

    rows = in_production(home, written(tmp_path, "day,promo,sales", line, rows=1000), "sales")
    late = rows[900:]
    assert ((late["value"] - late["sales"]) ** 2).mean() < 0.1 * late["sales"].var()


def test_hours_of_a_few_weeks_reach_production(home: Cli, tmp_path: Path) -> None:
    def line(n: int) -> str:
        time = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=n)
        return f"{time:%Y-%m-%d %H:%M},{n % 5},{10 + 5 * sin(n * 6.2832 / 24) + n % 3:.2f}"

    rows = in_production(home, written(tmp_path, "when,x,load", line, rows=800), "load")
    assert rows["value"].null_count() == 0


def test_a_target_that_cannot_be_foretold_stays_out_of_production(home: Cli, tmp_path: Path) -> None:
    random = Random(4)
    level = [0.0]
    for _ in range(400):
        level.append(level[-1] + random.gauss(0, 1))
    table = written(tmp_path, "day,x,price", lambda n: f"{date(2020, 1, 1) + timedelta(days=n)},{n % 7},{level[n]:.3f}")
    home.run("init", "own", "--from", str(table), "--target", "price")
    with pytest.raises(GateFailed, match="r2 -"):
        home.run("train", "-p", "own")


def test_numbers_nulls_and_names_are_read_as_in_the_table_that_was_learned(home: Cli, tmp_path: Path) -> None:
    random = Random(1)
    sizes = [random.randint(1001, 9999) for _ in range(300)]
    prices = [size * 3 + random.randint(0, 999) for size in sizes]
    spelt = [f"{size:,}".replace(",", ".") if n % 9 else "-" for n, size in enumerate(sizes)]
    table = written(tmp_path, "µ;μ;price", lambda n: f"{spelt[n]};{n % 5},5;{prices[n]},50", rows=300)
    rows = in_production(home, table, "price")
    one = tmp_path / "one.csv"
    one.write_text(f"µ;μ\n{spelt[1]};1,5\n")
    scored = home.json("predict", "-p", "own", "--file", str(one))
    assert pl.read_csv(scored["file"])["value"][0] == pytest.approx(rows["value"][1])


@pytest.mark.parametrize(
    ("task", "values", "kind"),
    [("classification", [10, 20, 50], "multiclass"), ("regression", [1, 2, 3], "regression")],
)
def test_the_kind_of_task_can_be_said(home: Cli, tmp_path: Path, task: str, values: list[int], kind: str) -> None:
    table = written(tmp_path, "x,y", lambda n: f"{n % 9},{values[n % 3]}")
    assert home.json("init", "own", "--from", str(table), "--target", "y", "--task", task)["task"] == kind
    other = home.json("init", "other", "--from", str(table), "--target", "y")["task"]
    assert (other == "regression") != (kind == "regression")
    assert "Invalid value for '--task'" in home.run(
        "init", "bad", "--from", str(table), "--target", "y", "--task", "ranking", code=2
    )


def test_a_column_that_begins_to_tell_the_label_stops_the_next_training(home: Cli, tmp_path: Path) -> None:
    random = Random(2)
    labels = [random.randint(0, 1) for _ in range(400)]
    weak = [label + random.gauss(0, 0.5) for label in labels]

    def table(leaks: bool) -> Path:
        return written(tmp_path, "x,z,y", lambda n: f"{labels[n] if leaks else n % 2},{weak[n]:.3f},{labels[n]}")

    in_production(home, table(leaks=False), "y")
    table(leaks=True)
    with pytest.raises(LeakageFound, match="'x' alone separates the classes"):
        home.run("train", "-p", "own")


def test_notes_are_printed_and_part_of_the_json(home: Cli, tmp_path: Path) -> None:
    table = written(tmp_path, "user_id,x,y", lambda n: f"{1000 + n % 50},{n % 7},{n % 2}")
    printed = home.run("init", "own", "--from", str(table), "--target", "y")
    notes = json.loads(home.run("init", "other", "--from", str(table), "--target", "y", "--json"))["notes"]
    assert any(note.startswith("user_id is left out") for note in notes)
    assert all(f"  note: {note}" in printed for note in notes)


def test_a_file_without_a_header_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris.data").write_text("5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n6.3,3.3,6.0,2.5,virginica\n")
    with pytest.raises(ColumnUnknown, match="seems to have no header: its first line holds values"):
        write_project("iris", data=tmp_path / "iris.data", target="species", base=tmp_path)


def test_a_task_that_the_target_cannot_have_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    rows = [f"{n},{n % 7},{'yes' if n % 3 else 'no'},{n * 1.7}" for n in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["id,visits,churned,spent", *rows]))
    for target, task in (("churned", "regression"), ("spent", "classification")):
        with pytest.raises(TaskUnfit, match=f"{target!r} cannot be the target of a {task}"):
            write_project("shop", data=tmp_path / "data.csv", target=target, base=tmp_path, task=task)  # type: ignore[arg-type]
    assert not (tmp_path / "projects").exists()


def test_rows_whose_label_is_not_known_yet_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples that init writes promise it: a null label is to be predicted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOUCHLINE_HOME", str(tmp_path / "home"))
    rows = [f"c{n},{n % 7},{'yes' if n % 3 else 'no'}" for n in range(60)]
    file = tmp_path / "data.csv"
    file.write_text("\n".join(["customer_id,visits,churned", *rows, ""]))
    cli = Cli(tmp_path)
    cli.run("init", "churn", "--from", "data.csv", "--target", "churned")
    cli.run("ingest", "-p", "churn")
    with file.open("a") as out:
        out.write("c60,3,\n")
    done = cli.json("ingest", "-p", "churn")
    assert (done["ingested"][0]["rejected"], done["outcomes"]["open"]) == (0, 1)
