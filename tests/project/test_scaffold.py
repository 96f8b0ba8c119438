"""A project written from a table alone: it loads as it is, and tells what was assumed."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest

from touchline.errors import (
    InvalidProject,
    InvalidProjectName,
    NothingToLearnFrom,
    ProjectExists,
    SourceFileEmpty,
    SourceFileMissing,
    TargetNeverVaries,
    TargetNotClasses,
)
from touchline.project import load_project, write_project


def a_table(rows: int = 200, *, delimiter: str = ",") -> bytes:
    random = Random(3)
    lines = [delimiter.join(["Customer ID", "Signed up", "Plan", "Age", "Churned?"])]
    for number in range(rows):
        day = f"2024-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
        plan, age = random.choice(["basic", "plus"]), str(random.randrange(18, 90))
        lines.append(delimiter.join([f"c{number}", day, plan, age, random.choice(["yes", "no"])]))
    return "\n".join(lines).encode() + b"\n"


def test_a_written_project_loads_with_key_time_classes_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(a_table())
    written = write_project("churn", data=tmp_path / "customers.csv", target="Churned?", base=tmp_path)
    assert (written.rows, written.columns, written.task) == (200, 5, "binary")
    project = load_project("churn", base=tmp_path).project
    [source] = project.sources
    assert (source.keys, source.event_time) == (("customer_id",), "signed_up")
    assert project.task.classes == ("no", "yes")
    assert project.task.inputs == ("signed_up", "plan", "age")


def test_delimiter_and_compression_are_found_out(tmp_path: Path) -> None:
    (tmp_path / "customers.csv.gz").write_bytes(gzip.compress(a_table(delimiter=";")))
    write_project("churn", data=tmp_path / "customers.csv.gz", target="Churned?", base=tmp_path)
    [source] = load_project("churn", base=tmp_path).project.sources
    assert source.provider.delimiter == ";"


def test_a_number_that_takes_many_values_is_a_regression(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(a_table())
    write_project("age", data=tmp_path / "customers.csv", target="Age", base=tmp_path)
    project = load_project("age", base=tmp_path).project
    assert (project.task.type, project.gates[0].metric) == ("regression", "mse")


def test_nothing_is_overwritten_and_nothing_made_from_nothing(tmp_path: Path) -> None:
    table = tmp_path / "customers.csv"
    table.write_bytes(a_table())
    write_project("churn", data=table, target="Churned?", base=tmp_path)
    with pytest.raises(ProjectExists):
        write_project("churn", data=table, target="Churned?", base=tmp_path)
    with pytest.raises(SourceFileMissing):
        write_project("other", data=tmp_path / "none.csv", target="y", base=tmp_path)
    table.write_bytes(b"id,y\n" + b"".join(b"%d,%d\n" % (number, number % 2) for number in range(50)))
    with pytest.raises(NothingToLearnFrom):
        write_project("bare", data=table, target="y", base=tmp_path)


@pytest.mark.parametrize("name", ["my project", "../x", "Upper", "1st", "a-b", "", "a/b"])
def test_a_name_that_is_no_folder_of_the_home_is_refused_and_nothing_written(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "customers.csv").write_bytes(a_table())
    with pytest.raises(InvalidProjectName):
        write_project(name, data=tmp_path / "customers.csv", target="Churned?", base=home)
    assert not list(home.iterdir())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["customers.csv", "home"]


def test_a_boolean_target_of_parquet_becomes_a_project_that_loads(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [n % 7 for n in range(60)], "ok": [n % 2 == 0 for n in range(60)]})
    frame.write_parquet(tmp_path / "t.parquet")
    write_project("flags", data=tmp_path / "t.parquet", target="ok", base=tmp_path)
    assert load_project("flags", base=tmp_path).project.task.classes == ("false", "true")


@pytest.mark.parametrize("value", ["yes", "1", "2.5"])
def test_a_target_of_one_value_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{n},{value}\n" for n in range(50)))
    with pytest.raises(TargetNeverVaries):
        write_project("one", data=tmp_path / "t.csv", target="y", base=tmp_path)


def test_a_suspect_stays_an_input_and_what_decides_the_target_is_left_out_with_what_to_edit(tmp_path: Path) -> None:
    lines = [f"{n % 2 + n / 1000},{'ab'[n % 2]},{n % 5},{n % 9},{n % 2}" for n in range(200)]
    (tmp_path / "t.csv").write_text("strong,twin,x,outcome_code,y\n" + "\n".join(lines))
    written = write_project("strong", data=tmp_path / "t.csv", target="y", base=tmp_path)
    project = load_project("strong", base=tmp_path).project
    assert (project.task.inputs, project.training.trusted) == (("x", "outcome_code"), ())
    assert "    # suspected leak: its name says 'outcome'" in written.file.read_text()
    [note] = [note for note in written.notes if note.startswith("strong is left out: alone it predicts y")]
    assert 'into INPUTS and into Training(trusted=["strong"])' in note
    assert any(note.startswith("twin is left out: it is y in another spelling") for note in written.notes)


def test_nothing_is_left_out_unmentioned(tmp_path: Path) -> None:
    lines = [f"{n},{n + 7},text {n},same,{n % 4},{n * 0.5}" for n in range(100)]
    (tmp_path / "t.csv").write_text("id,rownames,words,constant,x,y\n" + "\n".join(lines))
    written = write_project("said", data=tmp_path / "t.csv", target="y", base=tmp_path)
    text = written.file.read_text()
    for column in ("id", "rownames", "words", "constant"):
        assert any(note.startswith(f"{column} is left out: ") for note in written.notes)
        assert f"# left out: {column} (" in text
    assert load_project("said", base=tmp_path).project.gates[-1].describe() == "r2 at least 0"


def test_a_rare_positive_is_decided_by_f1_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(f"{n % 13},{int(n % 20 == 0)}" for n in range(400)))
    written = write_project("rare", data=tmp_path / "t.csv", target="y", base=tmp_path)
    assert load_project("rare", base=tmp_path).project.training.threshold == "auto"
    assert any("best F1" in note for note in written.notes)


def test_lines_that_are_no_rows_are_counted(tmp_path: Path) -> None:
    lines = [f"{n % 9},{n % 2}{',surplus' if n % 4 == 3 else ''}" for n in range(200)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(lines))
    written = write_project("lines", data=tmp_path / "t.csv", target="y", base=tmp_path)
    assert any(note.startswith("50 of 200 lines could not be read as rows") for note in written.notes)


def test_the_parts_of_a_key_stay_inputs(tmp_path: Path) -> None:
    rows = [
        f"2024-01-{day:02},{team},{(day * 7 + place) % 3 == 0}"
        for day in range(1, 29)
        for place, team in enumerate("abcd")
    ]
    (tmp_path / "t.csv").write_text("day,team,won\n" + "\n".join(rows))
    written = write_project("games", data=tmp_path / "t.csv", target="won", base=tmp_path)
    project = load_project("games", base=tmp_path).project
    assert project.sources[0].keys == ("day", "team")
    assert project.task.inputs == ("day", "team")
    assert not any("repeat another row" in note for note in written.notes)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x,y\n", SourceFileEmpty, "t.csv has no rows"),
        ("x,y\n" + "1,\n" * 30, TargetNeverVaries, "'y' has no value in any row"),
        ("x,y\n" + "1,2.5\n" * 30, TargetNeverVaries, "'y' is '2.5' in all 30 rows"),
    ],
)
def test_a_target_without_two_values_is_refused_with_the_reason(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=message):
        write_project("one", data=tmp_path / "t.csv", target="y", base=tmp_path)
    assert not (tmp_path / "projects").exists()


def test_a_target_of_texts_that_are_neither_numbers_nor_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,price\n" + "".join(f"{n % 7},{n * 1.5}K\n" for n in range(100)))
    with pytest.raises(TargetNotClasses, match=r"100 different texts in 100 rows \('0.0K', '1.5K', '3.0K', …\)"):
        write_project("t", data=tmp_path / "t.csv", target="price", base=tmp_path)
    with pytest.raises(NothingToLearnFrom, match=r"Left out: price: it identifies a row\."):
        write_project("t", data=tmp_path / "t.csv", target="x", base=tmp_path)


def test_a_project_that_cannot_be_planned_leaves_nothing_behind(tmp_path: Path) -> None:
    """A package that is there already takes the place of the file of that name, and cannot be imported."""
    folder = tmp_path / "projects" / "churn"
    (folder / "transforms").mkdir(parents=True)
    (folder / "transforms" / "__init__.py").write_text("raise RuntimeError('unfinished')\n")
    (tmp_path / "customers.csv").write_bytes(a_table())
    with pytest.raises(InvalidProject, match="unfinished"):
        write_project("churn", data=tmp_path / "customers.csv", target="Churned?", base=tmp_path)
    assert [path.name for path in folder.iterdir()] == ["transforms"]


def test_a_file_beside_the_project_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(a_table())
    (tmp_path / "projects" / "churn").mkdir(parents=True)
    notes = tmp_path / "projects" / "churn" / "transforms.py"
    notes.write_text("mine = 1\n")
    with pytest.raises(ProjectExists, match=r"transforms\.py"):
        write_project("churn", data=tmp_path / "customers.csv", target="Churned?", base=tmp_path)
    assert notes.read_text() == "mine = 1\n"
    assert [path.name for path in notes.parent.iterdir()] == ["transforms.py"]


def test_a_column_that_decides_the_target_stays_untrusted_where_no_other_is_left(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("strong,y\n" + "\n".join(f"{n % 2 + n / 1000},{n % 2}" for n in range(200)))
    written = write_project("strong", data=tmp_path / "t.csv", target="y", base=tmp_path)
    project = load_project("strong", base=tmp_path).project
    assert (project.task.inputs, project.training.trusted) == (("strong",), ())
    assert any(note.startswith("strong may leak and stays an input, as no other is left") for note in written.notes)


def test_an_id_that_repeats_is_left_out_and_said(tmp_path: Path) -> None:
    lines = [f"{1000 + n % 40},{n % 7},{n % 3 == 0}" for n in range(400)]
    (tmp_path / "t.csv").write_text("user_id,visits,left\n" + "\n".join(lines))
    written = write_project("panel", data=tmp_path / "t.csv", target="left", base=tmp_path)
    assert load_project("panel", base=tmp_path).project.task.inputs == ("visits",)
    assert any(note.startswith("user_id is left out: it identifies what a row is about") for note in written.notes)


def test_columns_of_a_date_become_the_time_of_a_row_and_the_split_is_by_time(tmp_path: Path) -> None:
    days = [date(2021, 1, 1) + timedelta(days=n) for n in range(400)]
    lines = [f"{day.year},{day.month},{day.day},{n % 7},{n * 0.5:.2f}" for n, day in enumerate(days)]
    (tmp_path / "t.csv").write_text("Year,Month,Day,promo,sales\n" + "\n".join(lines))
    written = write_project("shop", data=tmp_path / "t.csv", target="sales", base=tmp_path)
    project = load_project("shop", base=tmp_path).project
    assert (project.sources[0].event_time, project.task.inputs) == ("row_time", ("year", "month", "day", "promo"))
    assert {"year", "month", "day", "row_time_trend"} < set(project.monitoring.drift.ignore)
    assert any(note.startswith("year, month, day are joined to row_time") for note in written.notes)
    [calendar] = project.task.on_demand
    columns = {name: np.array([getattr(day, name) for day in days], dtype=float) for name in ("year", "month", "day")}
    computed = calendar(columns)
    assert computed["row_time_trend"].tolist() == [(day - date(1970, 1, 1)).days for day in days]
    assert computed["row_time_weekday"].tolist() == [day.weekday() for day in days]


def test_a_month_in_words_becomes_the_time_of_a_row_and_its_calendar(tmp_path: Path) -> None:
    days = [date(2021, 1, 1) + timedelta(days=n) for n in range(400)]
    lines = [f"{day.year},{day:%B},{day.day},{n % 7},{n * 0.5:.2f}" for n, day in enumerate(days)]
    (tmp_path / "t.csv").write_text("Year,Month,Day,promo,sales\n" + "\n".join(lines))
    write_project("shop", data=tmp_path / "t.csv", target="sales", base=tmp_path)
    project = load_project("shop", base=tmp_path).project
    [source] = project.sources
    assert (source.event_time, project.task.inputs) == ("row_time", ("year", "month", "day", "promo"))
    rows = source.provider.prepare(pl.read_csv(tmp_path / "t.csv").rename(str.lower))
    assert rows["row_time"].to_list() == days
    [calendar] = project.task.on_demand
    columns = {name: np.array([getattr(day, name) for day in days], dtype=float) for name in ("year", "day")}
    computed = calendar({**columns, "month": np.array([f"{day:%B}" for day in days], dtype=object)})
    assert computed["row_time_trend"].tolist() == [(day - date(1970, 1, 1)).days for day in days]
    missing = calendar({"year": np.array([2021.0]), "month": np.array([None], dtype=object), "day": np.array([1.0])})
    assert np.isnan(np.asarray(missing["row_time_trend"], dtype=float)).all()


def test_words_that_are_read_as_missing_are_said(tmp_path: Path) -> None:
    lines = [f"{'n/a' if n % 9 == 0 else n % 5},{n % 2}" for n in range(200)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(lines))
    notes = write_project("shop", data=tmp_path / "t.csv", target="y", base=tmp_path).notes
    assert any(note.startswith("'n/a' are read as missing values (null_values)") for note in notes)


def test_calendar_columns_are_computed_from_the_time_of_a_row(tmp_path: Path) -> None:
    times = [datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(1000)]
    lines = [f"{time.isoformat()},{n % 7},{n * 0.5:.2f}" for n, time in enumerate(times)]
    (tmp_path / "t.csv").write_text("when,promo,load\n" + "\n".join(lines))
    write_project("meter", data=tmp_path / "t.csv", target="load", base=tmp_path)
    project = load_project("meter", base=tmp_path).project
    assert project.task.inputs == ("when", "promo")
    # Time moves on by itself: no drift check counts its columns.
    assert {"when", "when_hour", "when_weekend"} < set(project.monitoring.drift.ignore)
    assert "promo" not in project.monitoring.drift.ignore
    [calendar] = project.task.on_demand
    computed = calendar({"when": np.array([time.timestamp() for time in times])})
    assert np.round(computed["when_hour"], 6).tolist() == [time.hour for time in times]
    assert computed["when_weekend"].tolist() == [float(time.weekday() >= 5) for time in times]
    assert "when_season_sin" not in computed


@pytest.mark.parametrize(("rows", "share"), [(1000, 0.2), (120, 0.3), (60, 0.5)])
def test_few_rows_give_a_larger_share_to_the_test_so_that_a_gate_can_compare(
    tmp_path: Path, rows: int, share: float
) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(f"{n % 13},{int(n % 3 == 0)}" for n in range(rows)))
    written = write_project("small", data=tmp_path / "t.csv", target="y", base=tmp_path)
    assert load_project("small", base=tmp_path).project.training.test == share
    assert not any("are few" in note for note in written.notes)


def test_rows_too_few_for_a_gate_are_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(f"{n % 13},{int(n % 3 == 0)}" for n in range(40)))
    written = write_project("tiny", data=tmp_path / "t.csv", target="y", base=tmp_path)
    assert any(note.startswith("40 rows with a label are few: training needs 25, and a gate") for note in written.notes)


def test_a_table_outside_of_the_folder_is_found_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for place, declared in ((tmp_path / "work", "customers.csv"), (tmp_path, (tmp_path / "customers.csv").as_posix())):
        (place / "customers.csv").write_bytes(a_table())
        name = f"churn_{len(place.parts)}"
        write_project(name, data=place / "customers.csv", target="Churned?", base=tmp_path / "work")
        [source] = load_project(name, base=tmp_path / "work").project.sources
        assert source.provider.glob == declared


def test_a_name_that_no_project_may_have_gets_a_near_one_offered(tmp_path: Path) -> None:
    with pytest.raises(InvalidProjectName, match="Such as 'my_proj'"):
        write_project("My-proj", data=tmp_path / "t.csv", target="y", base=tmp_path)
