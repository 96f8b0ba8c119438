"""Policies of retraining over a stream whose concept changes abruptly three times, with outcomes that come days late.

    python benchmarks/rehearse_drift.py --data FOLDER/sea_0123_abrupto.csv.gz [--policy declared] [--recent]

The SEA concepts (Street & Kim 2001) in the files of the THU concept drift data sets: 40,000 rows, the concept changes
at rows 10,000, 20,000 and 30,000, and a fifth of the labels is noise. The clock is made: every fourth row counts, at
fourteen a day, and each outcome is known three days after its row. The concepts are linear, so logistic regression is
the only candidate; with `--recent` it chooses in each fit how far back it learns (`Candidate(recent=True)`). Other
streams of the same form (columns `X1…` and `class`, as `mixed_0101_abrupto`) do as well. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.rehearse_football import print_bars

from touchline.automation.runs.steps import current_snapshots, ingest_all
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.project import load_project
from touchline.rehearsal import Rehearsal, Steps, build_report, prepare, rehearse, report_page
from touchline.settings import Settings

START = datetime(2020, 1, 1, tzinfo=UTC)
LEARN_DAYS = 84
POLICIES = ("never", "declared", "drift", "degradation", "weekly-naive")

PROJECT = """
from datetime import datetime, timedelta

import polars as pl

from touchline import Candidate, Contract, Gate, Project, Retrain, Rollout, Source, Training, classification, examples
from touchline.ingest import ParquetFiles


INPUTS = NAMES
CANDIDATES = [Candidate(name="logistic", family="logistic", recent=RECENT)]


class Row(Contract):
    row_id: str
    at: datetime
COLUMNS
    positive: bool | None = None


rows = Source(
    name="rows", contract=Row, key="row_id", event_time="at", known_after=timedelta(days=3),
    hidden_until_known=("positive",), provider=ParquetFiles("ROWS"),
)


@examples(source=rows)
def each_row(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(
        *INPUTS, example_id="row_id", cutoff="at", label="positive", label_timestamp="event_timestamp",
        cluster=pl.col("at").dt.strftime("%Y-%m-%d"),
    )


project = Project(
    name="sea", sources=[rows],
    task=classification(examples=each_row, classes=[False, True], inputs=INPUTS),
    training=Training(candidates=CANDIDATES, test="60d", blend=False),
    gates=[Gate.improves("log_loss", confidence=0.95)],
    rollout=Rollout(mode="shadow", cluster=True, metric="log_loss", min_days=7),
    retrain=Retrain(schedule="0 4 * * 1", on_drift=True, on_degradation=True),
)
"""


def declaration(columns: list[str], rows: Path, *, is_recent: bool) -> str:
    """The text of the project."""
    text = (
        PROJECT.lstrip().replace("ROWS", str(rows)).replace("NAMES", repr(columns)).replace("RECENT", repr(is_recent))
    )
    return text.replace("COLUMNS", "\n".join(f"    {name}: float" for name in columns))


def stream(place: Path, options: argparse.Namespace) -> tuple[OpenedProject, int]:
    """The project in a folder of its own, ingested, and the number of its days."""
    rows, rows_a_day = pl.read_csv(options.data).gather_every(options.keep_every), options.rows_a_day
    columns = [name.lower() for name in rows.columns if name != "class"]
    folder = place / "projects" / "sea"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "project.py").write_text(declaration(columns, place / "rows.parquet", is_recent=options.recent))
    number = pl.int_range(pl.len())
    minutes = (number // rows_a_day) * 1440 + 480 + (number % rows_a_day) * 10
    rows.select(
        row_id=number.cast(pl.String).str.zfill(6),
        at=pl.lit(START) + pl.duration(minutes=minutes),
        **{name: name.upper() for name in columns},
        positive=pl.col("class") > 0.5,
    ).write_parquet(place / "rows.parquet")
    opened = OpenedProject(Home(Settings(home=place / "home"), place), load_project(folder, base=place))
    ingest_all(pipeline_context(opened))
    return opened, len(rows) // rows_a_day


def prepared(place: Path, options: argparse.Namespace, names: list[str]) -> Rehearsal:
    """The rehearsal from the day on which a first model can be trained."""
    opened, days = stream(place, options)
    first = START.replace(hour=4) + timedelta(days=LEARN_DAYS)
    steps = Steps(first, START + timedelta(days=days))
    snapshots = current_snapshots(pipeline_context(opened))
    return prepare(opened.loaded, snapshots, steps, names, root=place / "rehearsals")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/drift/sea_0123_abrupto.csv.gz"))
    parser.add_argument("--rows-a-day", type=int, default=14)
    parser.add_argument("--keep-every", type=int, default=4, help="of so many rows one is kept")
    parser.add_argument("--recent", action="store_true", help="the candidate chooses how far back it learns")
    parser.add_argument("--policy", action="append", default=[])
    parser.add_argument("--place", type=Path, help="a folder that a later call continues in")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rehearsal = prepared(options.place or Path(tempfile.mkdtemp()), options, options.policy or list(POLICIES))
    began = time.perf_counter()
    report = build_report(rehearsal, rehearse(rehearsal, workers=options.workers), score="log_loss")
    print(f"{time.perf_counter() - began:.0f} s in this call, {options.workers} policies at a time")
    print_bars(report)
    if options.out is not None:
        options.out.write_text(report_page(report).to_html(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
