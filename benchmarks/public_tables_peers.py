"""FLAML and AutoGluon on the splits of `public_tables.py` and `leads.py`, each in the same seconds.

    python benchmarks/public_tables_peers.py FOLDER [TABLE ...] --seconds 60 [--peers flaml autogluon]

FOLDER holds the folders `tabular` and `leads`. A peer gets the columns with their types (numbers, dates, categories),
without keys, the columns that add up to the target and those written after the fact. It runs in an environment of its
own, made below --envs where it is missing. `public_tables.py` and `leads.py` print ours on the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import brier_score_loss, roc_auc_score

from leads import held_out
from peers.runs import peer_python
from public_tables import TABLES, Frames
from training import PEERS, run_peer


@dataclass(frozen=True)
class PeerTable:
    """How a table is split, its target (with the positive class of two), and the columns that nobody may learn from."""

    name: str
    split: Callable[[Path], Frames]
    target: str
    positive: str | None
    left_out: tuple[str, ...] = ()
    days: tuple[str, ...] = ()


def _public(name: str, *left_out: str, days: tuple[str, ...] = ()) -> PeerTable:
    table = TABLES[name]
    return PeerTable(name, lambda data: table.split(data / "tabular"), table.target, table.positive, left_out, days)


_LATE = (
    *("Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"),
    *(f"Asymmetrique {what}" for what in ("Activity Index", "Profile Index", "Activity Score", "Profile Score")),
)
PEER_TABLES = (
    _public("adult"),
    _public("telco", "customerID"),
    _public("california"),
    _public("bike", "instant", "casual", "registered", days=("dteday",)),
    PeerTable(
        "x_education",
        lambda data: held_out("x_education", data / "leads"),
        "Converted",
        "1",
        ("Prospect ID", "Lead Number", *_LATE),
    ),
    PeerTable("bank", lambda data: held_out("bank", data / "leads"), "y", "yes", ("duration",)),
)


def typed(known: pl.DataFrame, unseen: pl.DataFrame, table: PeerTable) -> Frames:
    """Both parts without the columns left out: numbers where all values are, dates, and text without outer spaces."""

    def read(rows: pl.DataFrame) -> pl.DataFrame:
        text = rows.drop(table.left_out).with_columns(pl.all().str.strip_chars())
        return text.with_columns(pl.when(~pl.all().is_in(["", "?"])).then(pl.all()).name.keep())

    parts = read(known), read(unseen)
    for name in parts[0].columns:
        if name == table.target and table.positive is not None:
            continue
        if name in table.days:
            parts = _cast(parts, pl.col(name).str.to_datetime("%Y-%m-%d"))
        elif parts[0][name].cast(pl.Float64, strict=False).null_count() == parts[0][name].null_count():
            parts = _cast(parts, pl.col(name).cast(pl.Float64, strict=False))
    return parts


def _cast(parts: Frames, column: pl.Expr) -> Frames:
    return parts[0].with_columns(column), parts[1].with_columns(column)


def write_job(place: Path, table: PeerTable, parts: Frames, options: argparse.Namespace) -> None:
    """The job that `training_peer.py` runs."""
    known, unseen = parts
    known.rename({table.target: "label"}).write_parquet(place / "train.parquet")
    unseen.drop(table.target).write_parquet(place / "test.parquet")
    texts = [name for name in known.columns if known[name].dtype == pl.String and name != table.target]
    job = {
        "kind": "regression" if table.positive is None else "binary",
        "classes": [] if table.positive is None else sorted(known[table.target].unique()),
        "levels": {name: sorted(known[name].drop_nulls().unique()) for name in texts},
        "seconds": options.seconds,
        "cores": options.cores,
        "seed": 0,
        "folder": str(place),
    }
    (place / "job.json").write_text(json.dumps(job))


def measured(table: PeerTable, peer: str, options: argparse.Namespace) -> str:
    """One line: the peer's measure on the held-out rows, and its seconds."""
    parts = typed(*table.split(options.folder), table)
    python = peer_python(options.envs, peer, PEERS[peer])
    with tempfile.TemporaryDirectory() as scratch:
        write_job(Path(scratch), table, parts, options)
        outcome = run_peer(peer, python, Path(scratch), options.preset if peer == "autogluon" else "")
    labels = parts[1][table.target].to_numpy()
    if table.positive is None:
        text = f"RMSE {np.sqrt(((labels - outcome.said[:, 0]) ** 2).mean()):,.1f}"
    else:
        place = sorted(parts[0][table.target].unique()).index(table.positive)
        scores, is_positive = outcome.said[:, place], labels == table.positive
        text = f"ROC AUC {roc_auc_score(is_positive, scores):.4f}  Brier {brier_score_loss(is_positive, scores):.4f}"
    return (
        f"{table.name:<11} {parts[0].height:>6} + {parts[1].height:>5} rows  {outcome.name:<34} {text}  "
        f"in {outcome.seconds:.0f} s ({outcome.processor_seconds:.0f} s of processors)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("tables", nargs="*", default=[table.name for table in PEER_TABLES])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--preset", default="medium_quality", help="of AutoGluon")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where the peers' environments lie")
    options = parser.parse_args()
    if options.folder is None:
        print("no folder of public tables was named, so there is nothing to measure")
        return
    options.envs = options.envs.absolute()
    for table in PEER_TABLES:
        for peer in options.peers if table.name in options.tables else ():
            print(measured(table, peer, options), flush=True)


if __name__ == "__main__":
    main()
