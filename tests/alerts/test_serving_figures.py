"""Error rates, latencies and missing features become observations of a window, and few requests say nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.alerts.builders import START
from touchline.alerts import Rule, ServingFigures, observe_serving, read_figures
from touchline.serving.telemetry.exposition import exposition
from touchline.serving.telemetry.metrics import Meter


def metrics(*, good: int, bad: int = 0, seconds: float = 0.002, missing: int = 0) -> str:
    """What `/metrics` prints after so many requests."""
    meter = Meter("shop")
    for number in range(good + bad):
        meter.answered("/predict", 200 if number < good else 503, seconds)
        meter.answered("/health", 503, 5.0)  # no prediction
        meter.feature_reads["form", "", "missing" if number < missing else "present"] += 1
    return exposition([meter], []).decode()


def window(before: str, after: str) -> ServingFigures | None:
    first, second = read_figures(before, at=START), read_figures(after, at=START + timedelta(minutes=5))
    return second["shop"].since(first["shop"])


def test_an_error_rate_is_that_of_the_window_with_its_interval() -> None:
    counts = window(metrics(good=1000), metrics(good=1080, bad=20))
    assert counts is not None
    errors = observe_serving("shop", counts)[1]
    assert (counts.requests, counts.errors) == (100, 20)
    # Clopper-Pearson for 20 of 100: 12.7 to 29.2 % (Newcombe 1998, Table II uses the same method).
    assert errors.value == pytest.approx(0.1267, abs=5e-4)
    assert "20.0% of the requests" in errors.happened
    assert errors.certainty == "95 % interval 12.7% to 29.2%"
    assert Rule("error_rate > 5 %").is_broken_by(errors)


def test_a_few_errors_among_few_requests_break_no_limit() -> None:
    counts = window(metrics(good=0, bad=0) + metrics(good=1), metrics(good=58, bad=3))
    assert counts is not None
    assert not any(Rule("error_rate > 5 %").is_broken_by(one) for one in observe_serving("shop", counts))
    few = window(metrics(good=1), metrics(good=21, bad=20))
    assert few is not None
    assert observe_serving("shop", few) == []


def test_latency_is_read_from_the_buckets() -> None:
    counts = window(metrics(good=100, seconds=0.3), metrics(good=300, seconds=0.3))
    assert counts is not None
    by_name = {one.signal: one for one in observe_serving("shop", counts)}
    # All 200 lie between 0.25 and 0.5 s: interpolation puts the 95th percentile at 0.25 + 0.95 × 0.25.
    assert by_name["p95"].happened.startswith("95% of the predictions took at most 488 ms")
    assert by_name["p95"].value == pytest.approx(0.25 + 0.25 * (0.95 - 1.96 * (0.95 * 0.05 / 200) ** 0.5))
    assert Rule("p95 > 200 ms").is_broken_by(by_name["p95"])
    assert not Rule("p95 > 1 s").is_broken_by(by_name["p95"])


def test_missing_features_are_counted_by_view() -> None:
    counts = window(metrics(good=1), metrics(good=101, missing=40))
    assert counts is not None
    missing = observe_serving("shop", counts)[0]
    assert (missing.signal, missing.subject) == ("feature_missing", "form")
    assert "39.6%" in missing.happened or "40.0%" in missing.happened
    assert Rule("feature_missing > 5 %").is_broken_by(missing)


def test_a_server_that_was_started_again_begins_a_new_window() -> None:
    assert window(metrics(good=1000), metrics(good=30)) is None
