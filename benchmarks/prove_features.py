"""The real pipelines, whole: every match of 46 seasons and every lead, served and computed again from history.

    python benchmarks/prove_features.py

At 180 instants the views are materialized and the next 80 matches are asked for, as serving would; each vector is then
computed from history. After that one feature of one view is made wrong by a thousandth for one team, and it is told
after how many requests the proof finds it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.features.real_pipelines import Pipeline, a_pipeline  # the folder above has to be found first

FOOTBALL = [datetime(1964, 1, 1, tzinfo=UTC) + timedelta(days=90 * number) for number in range(180)]
LEADS = [datetime(1970, 1, 1, tzinfo=UTC)]


def prove(pipeline: Pipeline, instants: list[datetime], each: int, folder: Path) -> bool:
    """Serve and verify; whether every vector matched."""
    started = time.perf_counter()
    logged = list(pipeline.served(folder, instants, each))
    report = pipeline.verified(logged)
    print(
        f"{pipeline.name}: {report.matched:,} of {report.checked:,} vectors × {len(pipeline.columns)} columns match, "
        f"{report.fallback_rows} by a fall-back; skew rate at most {report.upper_bound:.4%} (95 %); "
        f"{time.perf_counter() - started:.1f} s",
        flush=True,
    )
    for one in report.mismatches:
        print(f"  {one.prediction_id} {one.column}: served {one.logged_value}, history {one.offline}")
    return report.mismatched == 0


def find_skew(pipeline: Pipeline, folder: Path) -> bool:
    """Whether a skewed feature is found within 1,000 requests."""
    view = pipeline.views[0]
    feature = next(one.name for one in view.features if one.dtype == "float")
    team = pipeline.examples.sort("cutoff")["home_team"][-1]

    def skewed(history: Any) -> Any:
        if history.view != view.name:
            return history
        path = folder / f"{history.hash}.parquet"
        wrong = pl.when(pl.col("team") == team).then(pl.col(feature) * 1.001).otherwise(pl.col(feature))
        history.scan().with_columns(wrong.alias(feature)).collect().write_parquet(path)
        return replace(history, path=path)

    logged = list(pipeline.served(folder, FOOTBALL[-13:], 80, skew=skewed))[:1000]
    first = next((n for n in range(1, len(logged) + 1) if pipeline.verified(logged[n - 1 : n]).mismatched), None)
    found = pipeline.verified(logged)
    print(
        f"{pipeline.name}, {view.name}.{feature} of {team} wrong by a thousandth: found at request {first}; "
        f"of {len(logged)} requests {found.mismatched} differ, in {', '.join(found.by_column)}"
    )
    return first is not None


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / name for name in ("football", "leads", "skewed")]
        for folder in folders:
            folder.mkdir()
        football = a_pipeline("football", folders[0])
        kept = [
            prove(football, FOOTBALL, 80, folders[0]),
            prove(a_pipeline("leads", folders[1]), LEADS, 10_000, folders[1]),
        ]
        kept.append(find_skew(football, folders[2]))
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
