"""The samples' real data: what is served equals what history gives, and one skewed feature does not stay hidden."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.features.real_pipelines import Pipeline, a_pipeline
from touchline.storage import write_part

INSTANTS = [datetime(2008, 10, 1, tzinfo=UTC) + timedelta(days=30 * month) for month in range(5)]


@pytest.fixture(scope="module")
def football(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return a_pipeline("football", tmp_path_factory.mktemp("football"), pl.col("season") >= 2006)


def test_the_football_pipeline_verifies_without_a_mismatch(football: Pipeline, tmp_path: Path) -> None:
    report = football.verified(list(football.served(tmp_path, INSTANTS, 60)))
    assert (report.checked, report.matched, report.fallback_rows) == (300, 300, 0)


def test_the_leads_pipeline_verifies_without_a_mismatch(tmp_path: Path) -> None:
    leads = a_pipeline("leads", tmp_path)
    report = leads.verified(list(leads.served(tmp_path, [datetime(1970, 1, 1, tzinfo=UTC)], 1000)))
    assert (report.checked, report.matched) == (1000, 1000)


def test_an_injected_skew_of_one_feature_is_found_within_a_thousand_requests(
    football: Pipeline, tmp_path: Path
) -> None:
    """One feature of one view is off for one team of twenty, as a transform that differs online would leave it."""
    view = football.views[0]
    feature = next(feature.name for feature in view.features if feature.dtype == "float")
    team = football.examples.sort("cutoff")["home_team"][-1]

    def skewed(history: Any) -> Any:
        if history.view != view.name:
            return history
        wrong = pl.when(pl.col("team") == team).then(pl.col(feature) * 1.001).otherwise(pl.col(feature))
        rows = history.scan().with_columns(wrong.alias(feature)).collect()
        return replace(history, parts=(write_part(history.objects, "skewed", rows),), pending=None)

    logged = list(football.served(tmp_path, INSTANTS, 200, skew=skewed))
    report = football.verified(logged)
    assert len(logged) <= 1000
    assert 0 < report.mismatched < len(logged) / 2
    assert {f"home_{feature}", f"away_{feature}"} <= set(report.by_column)
