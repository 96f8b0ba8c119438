"""The time of a row in a table that nobody has declared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from touchline.contracts import infer_contract


@pytest.mark.parametrize("short", ["%d/%m/%y", "%m/%d/%y", "%d.%m.%y"])
def test_years_in_two_spellings_are_one_column_of_dates(short: str) -> None:
    days = [date(2018, 8, 13) + timedelta(days=n) for n in range(100)]
    long = short.replace("%y", "%Y")
    words = [day.strftime(short if n < 50 else long) for n, day in enumerate(days)]
    field = infer_contract(pl.DataFrame({"Date": words}), name="t").fields[0]
    assert (field.kind, set(field.formats)) == ("date", {short, long})
    assert (field.least, field.most) == (str(days[0]), str(days[-1]))


@pytest.mark.parametrize("name", ["birth_date", "date_of_birth", "expiry_date", "due_date", "dob"])
def test_a_date_that_describes_a_person_or_a_contract_is_no_event_time(name: str) -> None:
    frame = pl.DataFrame({name: [date(1980, 1, 1) + timedelta(days=n) for n in range(50)], "y": [0, 1] * 25})
    inference = infer_contract(frame, name="t", target="y")
    assert inference.event_time is None
    assert any(note.startswith(f"{name} is not taken as the time") for note in inference.notes)


def test_columns_of_year_month_day_and_hour_are_one_time() -> None:
    hours = [datetime(2021, 1, 30, tzinfo=UTC) + timedelta(hours=7 * n) for n in range(200)]
    columns = {"yr": [t.year for t in hours], "mnth": [t.month for t in hours], "day": [t.day for t in hours]}
    days = infer_contract(pl.DataFrame(columns), name="t")
    assert (days.event_time, days.field("row_time").kind, days.field("row_time").least) == (
        "row_time",
        "date",
        "2021-01-30",
    )
    exact = infer_contract(pl.DataFrame({**columns, "hr": [t.hour for t in hours]}), name="t")
    assert exact.time_parts is not None
    assert exact.time_parts.columns == ("yr", "mnth", "day", "hr")
    assert (exact.field("row_time").kind, exact.field("row_time").most) == ("datetime", str(hours[-1]))


@pytest.mark.parametrize(
    "names", [("Jahr", "Monat", "Tag"), ("annee", "mois", "jour"), ("Yr Sold", "Mo Sold", "Day Sold")]
)
def test_the_parts_of_a_time_may_have_names_of_other_languages_and_words_behind_them(names: tuple[str, ...]) -> None:
    days = [date(2020, 1, 1) + timedelta(days=3 * n) for n in range(300)]
    parts = [[d.year for d in days], [d.month for d in days], [d.day for d in days]]
    frame = pl.DataFrame({"Year Built": [1950 + n % 60 for n in range(300)], **dict(zip(names, parts, strict=True))})
    inference = infer_contract(frame, name="t")
    assert inference.time_parts is not None
    assert len(inference.time_parts.columns) == 3
    assert inference.field("row_time").most == str(days[-1])


@pytest.mark.parametrize("form", ["%B", "%b"])
def test_a_month_in_words_beside_a_year_is_a_time(form: str) -> None:
    days = [date(2020, 1, 1) + timedelta(days=3 * n) for n in range(300)]
    columns = {"arrival_year": [d.year for d in days], "arrival_month": [d.strftime(form) for d in days]}
    months = infer_contract(pl.DataFrame({**columns, "birth_year": 1980, "birth_month": 2}), name="t")
    assert months.time_parts is not None
    assert months.time_parts.columns == ("arrival_year", "arrival_month")
    assert (months.event_time, months.field("row_time").most) == ("row_time", str(days[-1].replace(day=1)))
    exact = infer_contract(pl.DataFrame({**columns, "arrival_day_of_month": [d.day for d in days]}), name="t")
    assert (exact.field("row_time").kind, exact.field("row_time").most) == ("date", str(days[-1]))
    columns["arrival_month"][7] = "spring"
    assert infer_contract(pl.DataFrame(columns), name="t").time_parts is None


def test_parts_of_another_time_than_that_of_a_row_are_not_joined() -> None:
    days = [date(2020, 1, 1) + timedelta(days=3 * n) for n in range(300)]
    birth = pl.DataFrame({"birth_year": [d.year for d in days], "birth_month": [d.month for d in days]})
    assert infer_contract(birth, name="t").event_time is None
    mixed = pl.DataFrame({"sale_year": [d.year for d in days], "visit_month": [d.month for d in days]})
    assert infer_contract(mixed, name="t").event_time is None


@pytest.mark.parametrize(("day", "year"), [(31, 2021), (10, 1)])
def test_numbers_that_are_no_day_of_a_year_are_no_time(day: int, year: int) -> None:
    frame = pl.DataFrame({"year": [year] * 40, "month": [2, 3] * 20, "day": [day] * 40})
    assert infer_contract(frame, name="t").event_time is None


def test_a_stretch_of_time_shows_the_cycles_that_it_is_long_enough_for() -> None:
    def cycles(days: int, step: timedelta) -> tuple[str, ...]:
        start = datetime(2021, 1, 1, tzinfo=UTC)
        times = [start + step * n for n in range(int(timedelta(days=days) / step) + 1)]
        return infer_contract(pl.DataFrame({"at_time": times}), name="t").cycles

    assert cycles(2, timedelta(hours=1)) == ()
    assert cycles(30, timedelta(hours=1)) == ("week", "day")
    assert cycles(30, timedelta(days=1)) == ("week",)
    assert cycles(400, timedelta(days=1)) == ("season", "week")
    assert cycles(400, timedelta(days=7)) == ("season",)


@pytest.mark.parametrize("form", ["%Y-%m", "%m/%Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%d-%b-%y"])
def test_months_and_named_months_are_dates(form: str) -> None:
    days = [date(2018 + n // 12, 1 + n % 12, 1) for n in range(60)]
    field = infer_contract(pl.DataFrame({"period": [day.strftime(form) for day in days]}), name="t").fields[0]
    assert (field.kind, field.formats, field.most) == ("date", (form,), "2022-12-01")


@pytest.mark.parametrize(
    "form",
    [
        *("%m/%d/%Y %I:%M %p", "%Y%m%d%H%M%S", "%Y%m%dT%H%M", "%d/%b/%Y:%H:%M:%S", "%d.%m.%Y %H:%M"),
        "%a %b %d %H:%M:%S %Y",
    ],
)
def test_instants_are_found_in_the_spellings_of_other_tools(form: str) -> None:
    times = [datetime(2021, 3, 1, 9, 5, tzinfo=UTC) + timedelta(hours=17 * n) for n in range(60)]
    inference = infer_contract(pl.DataFrame({"logged_at": [t.strftime(form) for t in times]}), name="t")
    assert (inference.event_time, inference.fields[0].kind) == ("logged_at", "datetime")
    assert inference.fields[0].most == str(times[-1])


def test_of_two_times_that_a_row_ends_with_is_not_taken_for_its_own() -> None:
    begins = [datetime(2021, 3, 1, tzinfo=UTC) + timedelta(hours=5 * n) for n in range(60)]
    frame = pl.DataFrame({"dropoff_time": [t + timedelta(minutes=9) for t in begins], "pickup_time": begins})
    assert infer_contract(frame, name="t").event_time == "pickup_time"


def test_a_text_named_like_a_time_is_no_key_and_is_asked_about() -> None:
    frame = pl.DataFrame(
        {"period": [f"{1990 + n // 4}-Q{1 + n % 4}" for n in range(60)], "y": [0.5 * n for n in range(60)]}
    )
    inference = infer_contract(frame, name="t", target="y")
    assert inference.row_number
    assert any(
        note.startswith("period is read as text, though its name says a time: '1990-Q1'") for note in inference.notes
    )


@pytest.mark.parametrize("first", [1_614_589_500, 1_614_589_500_000, 44_000])
def test_numbers_of_the_size_of_a_time_are_asked_about_where_the_name_says_one(first: int) -> None:
    frame = pl.DataFrame({"when": [first + n for n in range(60)], "y": [0.5 * n for n in range(60)]})
    inference = infer_contract(frame, name="t", target="y")
    assert (inference.row_number, inference.fields[0].identity) == (True, None)
    assert any(note.startswith("when looks like a time") for note in inference.notes)


@pytest.mark.parametrize("name", ["year", "ts", "unix_time"])
def test_a_number_that_is_a_time_is_asked_about(name: str) -> None:
    frame = pl.DataFrame({name: list(range(1950, 2010)), "y": [0.5 * n for n in range(60)]})
    inference = infer_contract(frame, name="t", target="y")
    assert inference.fields[0].identity is None
    assert any(note.startswith(f"{name} looks like a time") for note in inference.notes)
