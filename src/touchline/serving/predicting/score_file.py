"""A CSV or Parquet file of requests comes in, its values as they are written go out with predictions beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from touchline.errors import OverwritesItsInput
from touchline.ingest import read_as_declared
from touchline.registry import LoadedRelease
from touchline.serving.predicting.bulk import score_frame
from touchline.serving.predicting.scored_row import FeatureReads
from touchline.storage import validate_table_file, write_table

if TYPE_CHECKING:
    from touchline.ingest import Source


@dataclass(frozen=True)
class RequestFile:
    """The file to score and the file to write; `sources` say how columns are named and values are spelt in it."""

    path: Path
    target: Path | None = None
    sources: Sequence[Source] = ()


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
    """Score every row of a file and write the predictions beside the rows. They are not part of the prediction log.

    Raises `FolderMissing`, `TableFormatUnknown` and `OverwritesItsInput` before anything is scored.
    """
    import polars as pl

    target = requests.target or requests.path.with_name(f"{requests.path.stem}_predictions.csv")
    validate_table_file(target)
    if target.exists() and requests.path.exists() and target.samefile(requests.path):
        raise OverwritesItsInput(target)
    on_progress(f"reading {requests.path.name}")
    rows = read_as_declared(requests.path, requests.sources)
    scored = score_frame(
        release,
        reader,
        rows.declared,
        now=now,
        on_progress=lambda done, total: on_progress(f"{done:,} of {total:,} rows"),
    )
    predictions = scored.frame.with_columns(release=pl.lit(release.id))
    clashes = {name: f"predicted_{name}" for name in predictions.columns if name in rows.written.columns}
    written = pl.concat([rows.written, predictions.rename(clashes)], how="horizontal")
    on_progress(f"writing {target.name}")
    write_table(written, target)
    return ScoredFile(target, scored.rows, scored.refused, release.id)
