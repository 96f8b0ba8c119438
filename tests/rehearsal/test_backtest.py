"""Walk-forward predictions of a small shop: what is known decides, and nothing later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import log
from pathlib import Path

import polars as pl
import pytest

from tests.shop import write_shop
from touchline.errors import BacktestRefused
from touchline.project import Alternative, LoadedProject, load_project
from touchline.rehearsal import Backtest, backtest, remove_finished_periods
from touchline.rehearsal.baseline_comparison import compare_with_baselines
from touchline.training import Candidate

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


class Interrupted(Exception):
    """Ends a backtest where a kill would."""


def _end_at(day: str) -> Callable[[str], None]:
    def on_progress(message: str) -> None:
        if message.startswith(day):
            raise Interrupted

    return on_progress


def test_an_interrupted_backtest_continues_after_its_last_finished_period(
    shop: Callable[[], LoadedProject], tmp_path: Path
) -> None:
    request, messages = replace(WEEKS, progress_folder=tmp_path / "out.csv.partial"), list[str]()
    with pytest.raises(Interrupted):
        backtest(shop(), request, on_progress=_end_at("2024-05-15"))
    resumed = backtest(shop(), request, on_progress=messages.append)
    assert (resumed.fits, resumed.reused) == (3, 2)
    assert resumed.rows.equals(backtest(shop(), WEEKS).rows)
    assert not any(message.startswith("choosing") for message in messages)
    (tmp_path / "out.csv.partial" / "note.txt").write_text("of a person")
    remove_finished_periods(tmp_path / "out.csv.partial")
    assert [path.name for path in (tmp_path / "out.csv.partial").iterdir()] == ["note.txt"]


def test_finished_periods_of_other_data_or_other_refits_are_not_used(
    shop: Callable[[], LoadedProject], tmp_path: Path
) -> None:
    request = replace(WEEKS, progress_folder=tmp_path / "partial")
    assert backtest(shop(), request).reused == 0
    assert backtest(shop(), replace(request, last=datetime(2024, 5, 15, tzinfo=UTC))).reused == 2
    assert backtest(shop(), replace(request, refit="never")).reused == 0
    lines = Path("visits.csv").read_text().splitlines()
    Path("visits.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert backtest(shop(), replace(request, refit="never")).reused == 0


def test_a_corrected_row_is_shown_once_and_numbers_that_identify_are_no_probabilities(
    shop: Callable[[], LoadedProject],
) -> None:
    Path("visits_later.csv").write_text("visit_id,at,customer,spent\n143-8,2024-05-20T08:00:00Z,c1,12.50\n")
    text = Path("projects/shop/project.py").read_text().replace('CsvFiles("visits.csv")', 'CsvFiles("visits*.csv")')
    Path("projects/shop/project.py").write_text(text.replace('"who": "customer"', '"who": "customer", "paid": "spent"'))
    result = backtest(shop(), WEEKS)
    assert result.rows.filter(pl.col("visit") == "143-8")["paid"].to_list() == [12.5]
    assert result.rows.height == 21 * 10 == result.rows["example_id"].n_unique()
    assert 0 < result.losses["log_loss"] < 0.7
    assert 0 < result.losses["base_rate_log_loss"] <= log(2)


def test_a_level_of_a_later_row_changes_nothing(shop: Callable[[], LoadedProject]) -> None:
    text = Path("projects/shop/project.py").read_text()
    text = text.replace('example_id="visit_id"', '"till", example_id="visit_id"')
    text = text.replace("features=[spending", 'inputs=["till"], features=[spending')
    Path("projects/shop/project.py").write_text(
        text.replace("    customer: str\n", "    customer: str\n    till: str\n")
    )
    lines = Path("visits.csv").read_text().splitlines()
    rows = [f"{line},{'east' if place % 3 else 'west'}" for place, line in enumerate(lines[1:])]
    Path("visits.csv").write_text("\n".join([f"{lines[0]},till", *rows]) + "\n")
    before = backtest(shop(), WEEKS).rows
    late = [f"{line.rsplit(',', 1)[0]},annex" if line.split(",")[1] >= "2024-05-18" else line for line in rows]
    Path("visits.csv").write_text("\n".join([f"{lines[0]},till", *late]) + "\n")
    after = backtest(shop(), WEEKS).rows
    early = pl.col("cutoff") < datetime(2024, 5, 18, tzinfo=UTC)
    assert after.filter(early).equals(before.filter(early))


def test_a_gain_over_a_baseline_that_is_too_good_is_called_a_leak(shop: Callable[[], LoadedProject]) -> None:
    """The shop's buyers are known exactly, so that a coin is beaten by far."""
    path = Path("projects/shop/project.py")
    text = path.read_text().replace(
        'example_id="visit_id"', 'heads=pl.lit(0.5), tails=pl.lit(0.5), example_id="visit_id"'
    )
    path.write_text(text.replace("Training(", 'Training(baselines={"coin": ["heads", "tails"]}, ', 1))
    plain = backtest(shop(), WEEKS)
    [found] = plain.comparisons
    difference = plain.losses["log_loss"] - log(2)
    assert (found.rows, found.difference) == (210, pytest.approx(difference))
    assert not found.is_suspected_leak
    path.write_text(path.read_text().replace("Training(", 'Training(leak_margins={"coin": 0.002}, ', 1))
    [suspected] = backtest(shop(), WEEKS).comparisons
    assert suspected.difference == found.difference
    assert f"SUSPECTED LEAK: better than coin by {-difference:.4f}, more than 0.002" in suspected.describe()


def test_the_difference_to_a_baseline_has_an_error_over_clusters_and_missing_values_do_not_count() -> None:
    predicted = pl.DataFrame(
        {"example_id": ["1", "2", "3", "4"], "label": ["a", "b", "b", None], "b": [0.2, 0.6, 0.7, 0.5]}
    )
    examples = pl.DataFrame(
        {"example_id": ["1", "2", "3", "4"], "cluster": ["x", "x", "y", "y"], "b0": [0.5, 0.5, None, 0.5]}
    ).with_columns(a0=1 - pl.col("b0"))
    [found] = compare_with_baselines(
        predicted, examples, classes=("a", "b"), baselines={"coin": ("a0", "b0"), "none": ("?",)}, leak_margins={}
    )
    first, second = log(0.5 / 0.8), log(0.5 / 0.6)
    assert (found.baseline, found.rows, found.difference) == ("coin", 2, pytest.approx((first + second) / 2))
    # One cluster: its sum of deviations is nought.
    assert found.standard_error == pytest.approx(0)


def test_an_alternative_may_have_a_training_of_its_own(shop: Callable[[], LoadedProject]) -> None:
    loaded = shop()
    training = loaded.project.training.model_copy(
        update={"candidates": (Candidate(name="plain", family="logistic"),), "blend": False}
    )
    other = Alternative(task=loaded.project.task, training=training)
    project = loaded.project.model_copy(update={"alternatives": {"plain": other}})
    result = backtest(replace(loaded, project=project), replace(WEEKS, alternative="plain"))
    assert result.candidate == "plain"


def test_an_example_that_is_no_row_of_the_source_cannot_be_named(shop: Callable[[], LoadedProject]) -> None:
    text = Path("projects/shop/project.py").read_text()
    renamed = 'example_id=pl.format("visit {}", "visit_id")'
    Path("projects/shop/project.py").write_text(text.replace('example_id="visit_id"', renamed))
    with pytest.raises(BacktestRefused, match=r"`identity` needs the key of 'visits' as example_id; example 'visit "):
        backtest(shop(), WEEKS)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Backtest(LAST, FIRST), "is not before"),
        (Backtest(datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC)), "cutoffs of all go from 20"),
        (Backtest(FIRST, LAST, data=Path()), "no source reads a folder"),
        (Backtest(FIRST, LAST, alternative="with_odds"), "no alternative task 'with_odds'; declared: none"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_reason(
    shop: Callable[[], LoadedProject], request_: Backtest, message: str
) -> None:
    with pytest.raises(BacktestRefused, match=message):
        backtest(shop(), request_)
