from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from touchline.rehearsal.rehearse import Rehearsal
from touchline.rehearsal.report import build_report, report_hash
from touchline.rehearsal.report_page import report_page
from touchline.rehearsal.scores import PolicyScores
from touchline.rehearsal.stepped_run import Steps

COUNT = 80
FIRST = datetime(2001, 7, 1, 4, tzinfo=UTC)


def a_rehearsal(*policies: str) -> Rehearsal:
    steps = Steps(FIRST, FIRST + COUNT * timedelta(days=7))
    return Rehearsal(Path("project"), "shop", steps, policies, Path("folder"), "code")


def a_result(
    gain: float, *, trained: range, alarms: tuple[int, ...] = (), seed: int = 3, spread: float = 0.02
) -> tuple[list[dict[str, Any]], PolicyScores]:
    """Eight answers a step, of answers and models alike, with a loss of 1 - gain and noise whose mean is 0."""
    noise = np.random.default_rng(seed).normal(0, spread, COUNT)
    noise -= noise.mean()
    lines = [
        {
            "trained": step + 1 if step in trained else None,
            "production": 1 + max(one for one in trained if one <= step),
            "drift": "drift" if step in alarms else "stable",
            "predictions": [["a", 1, [0.5, 0.5]]],
            "seconds": 1.0,
            "processor_seconds": 1.0,
            "megabytes": 100.0,
        }
        for step in range(COUNT)
    ]
    models = np.full((COUNT, COUNT), np.nan)
    for step in trained:
        models[step, step:] = 8 * (1 - gain + noise[step:])
    answers = 8 * (1 - gain + noise)
    return lines, PolicyScores(0, *(_in_folds(one) for one in (answers, np.full(COUNT, 8), models)), 0, 0.0)


def _in_folds(total: Any) -> Any:
    """The same in each of eight folds."""
    return np.stack([total // 8 if total.dtype == np.int64 else total / 8] * 8)


def a_report(results: dict[str, Any]) -> dict[str, Any]:
    return build_report(a_rehearsal(*results), results, score="log_loss")


def test_a_policy_that_is_surely_better_is_recommended() -> None:
    report = a_report({"never": a_result(0.0, trained=range(1)), "weekly": a_result(0.1, trained=range(COUNT))})
    assert report["recommendation"].startswith("Use 'weekly': log_loss 0.")
    assert "more than chance explains, with 80 trainings" in report["recommendation"]


def test_a_large_difference_that_chance_could_explain_recommends_neither() -> None:
    report = a_report(
        {"never": a_result(0.0, trained=range(1)), "weekly": a_result(0.05, trained=range(COUNT), seed=4, spread=0.5)}
    )
    assert report["recommendation"].startswith("No recommendation: 'weekly' has the lowest loss")
    assert "'never' may be worse by 0.1" in report["recommendation"]


def test_a_difference_by_chance_recommends_the_policy_that_trains_less() -> None:
    report = a_report(
        {"never": a_result(0.0, trained=range(1)), "weekly": a_result(5e-4, trained=range(COUNT), seed=4)}
    )
    assert report["recommendation"].startswith("Use 'never', which trains least")


def test_regret_is_counted_from_the_best_schedule() -> None:
    never, weekly = a_report({"never": a_result(0.0, trained=range(1)), "weekly": a_result(0.1, trained=range(COUNT))})[
        "policies"
    ]
    assert weekly["regret"] == pytest.approx(0.0, abs=1e-9)
    assert never["regret"] == pytest.approx(COUNT * 8 * 0.1)
    assert (never["regret_of_never"], weekly["regret_of_never"]) == (1.0, pytest.approx(0.0, abs=1e-9))
    assert list(never["seasons"]) == ["2001/02", "2002/03"]


def test_an_alarm_is_false_where_a_new_model_would_have_been_no_better() -> None:
    pool = a_result(0.1, trained=range(COUNT))
    report = a_report({"drift": a_result(0.0, trained=range(1), alarms=(5, 6, 30)), "weekly": pool})
    assert (report["policies"][0]["alarms"], report["policies"][0]["false_alarms"]) == (2, 0)
    report = a_report({"drift": a_result(0.2, trained=range(1), alarms=(5,)), "weekly": pool})
    assert (report["policies"][0]["alarms"], report["policies"][0]["false_alarms"]) == (1, 1)


def test_the_hash_names_the_results_and_not_the_time_they_took() -> None:
    report = a_report({"never": a_result(0.0, trained=range(1))})
    slower = {**report, "policies": [{**report["policies"][0], "seconds": 9.0}]}
    worse = {**report, "policies": [{**report["policies"][0], "loss": 9.0}]}
    assert report_hash(slower) == report["hash"] != report_hash(worse)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_stands_alone() -> None:
    html = report_page(a_report({"never": a_result(0.0, trained=range(1))})).to_html()
    assert "<svg" in html
    assert "src=" not in html.replace('src="data:', "")
    assert "Loss by season" in html
