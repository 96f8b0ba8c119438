"""A CSV or Parquet file of requests comes in, the same file with predictions beside its columns goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from touchline.ingest import inspect_file
from touchline.registry import LoadedRelease
from touchline.serving.predicting.bulk import score_frame
from touchline.serving.predicting.scored_row import FeatureReads

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RequestFile:
    """The file to score and the file to write; each of `renames` maps column names to those of a source's contract."""

    path: Path
    target: Path | None = None
    renames: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class ScoredFile:
    """The written file. `refused` counts the rows that are invalid and have no prediction."""

    file: Path
    rows: int
    refused: int
    release: str


def score_file(
    release: LoadedRelease,
    reader: FeatureReads | None,
    requests: RequestFile,
    *,
    now: datetime,
    on_progress: Callable[[str], None],
) -> ScoredFile:
    """Score every row of a file and write the predictions beside the rows. They are not part of the prediction log."""
    import polars as pl

    on_progress(f"reading {requests.path.name}")
    rows = _renamed(inspect_file(requests.path).frame, requests.renames)
    scored = score_frame(
        release, reader, rows, now=now, on_progress=lambda done, total: on_progress(f"{done:,} of {total:,} rows")
    )
    target = requests.target or requests.path.with_name(f"{requests.path.stem}_predictions.csv")
    predictions = scored.frame.with_columns(release=pl.lit(release.id))
    clashes = {name: f"predicted_{name}" for name in predictions.columns if name in rows.columns}
    written = pl.concat([rows, predictions.rename(clashes)], how="horizontal")
    on_progress(f"writing {target.name}")
    written.write_parquet(target) if target.suffix == ".parquet" else written.write_csv(target)
    return ScoredFile(target, scored.rows, scored.refused, release.id)


def _renamed(rows: pl.DataFrame, renames: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    """Columns under the names of the contract, as ingest reads the file."""
    for names in renames:
        missing = {old: new for old, new in names.items() if new not in rows.columns}
        rows = rows.rename(missing, strict=False)
    return rows
