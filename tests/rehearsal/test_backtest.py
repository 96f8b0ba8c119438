"""Walk-forward predictions of a small shop: what is known decides, and nothing later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.shop import write_shop
from touchline.errors import BacktestRefused
from touchline.project import LoadedProject, load_project
from touchline.rehearsal import Backtest, backtest

FIRST, LAST = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 22, tzinfo=UTC)
WEEKS = Backtest(FIRST, LAST)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], LoadedProject]:
    """Loads the shop, which names the visit and the customer of each example."""
    write_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "projects" / "shop" / "project.py"
    identity = 'identity={"visit": "visit_id", "who": "customer"},'
    project.write_text(project.read_text().replace("    clock=", f"    {identity}\n    clock="))
    return lambda: load_project("shop", base=tmp_path)


def test_every_example_of_the_days_is_predicted_once_from_a_model_of_its_week(
    shop: Callable[[], LoadedProject],
) -> None:
    result = backtest(shop(), WEEKS)
    assert result.fits == 3
    assert result.rows.columns == ["visit", "who", "example_id", "cutoff", "yes"]
    assert result.rows["example_id"].n_unique() == result.rows.height == 21 * 10
    assert result.rows["visit"].to_list() == result.rows["example_id"].to_list()
    assert result.rows["cutoff"].is_between(FIRST, LAST, closed="left").all()
    even = pl.col("who").str.slice(1).cast(pl.Int64) % 2 == 0
    assert result.rows.filter(even)["yes"].mean() < 0.5 < result.rows.filter(~even)["yes"].mean()  # type: ignore[operator]


def test_nothing_after_the_cutoff_changes_a_row(shop: Callable[[], LoadedProject]) -> None:
    before = backtest(shop(), WEEKS).rows
    lines = Path("visits.csv").read_text().splitlines()
    first = lines[0]
    # What was spent from the 15th on becomes its opposite, and later visits vanish.
    changed = [
        f"{line.rsplit(',', 1)[0]},{100 - float(line.rsplit(',', 1)[1]):.2f}"
        if line.split(",")[1] >= "2024-05-15"
        else line
        for line in lines[1:]
        if line.split(",")[1] < "2024-05-25"
    ]
    Path("visits.csv").write_text("\n".join([first, *[line.replace(",-", ",0") for line in changed]]) + "\n")
    after = backtest(shop(), WEEKS).rows
    early = pl.col("cutoff") <= datetime(2024, 5, 15, 8, tzinfo=UTC)
    assert after.filter(early).equals(before.filter(early))
    assert not after.filter(~early).equals(before.filter(~early))


def test_rows_from_long_after_the_last_day_are_no_fault(shop: Callable[[], LoadedProject]) -> None:
    before = backtest(shop(), WEEKS).rows
    with Path("visits.csv").open("a") as file:
        file.write("late,2031-02-03T10:00:00Z,c1,50.00\n")
    assert backtest(shop(), WEEKS).rows.equals(before)


def test_the_same_backtest_gives_the_same_rows(shop: Callable[[], LoadedProject]) -> None:
    assert backtest(shop(), WEEKS).rows.equals(backtest(shop(), WEEKS).rows)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Backtest(LAST, FIRST), "is not before"),
        (Backtest(datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC)), "no example has its cutoff"),
        (Backtest(FIRST, LAST, data=Path()), "no source reads a folder"),
        (Backtest(FIRST, LAST, alternative="with_odds"), "no alternative task 'with_odds'; declared: none"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_reason(
    shop: Callable[[], LoadedProject], request_: Backtest, message: str
) -> None:
    with pytest.raises(BacktestRefused, match=message):
        backtest(shop(), request_)
