"""Whether a project's examples can be predicted in a stretch of its past, before any policy is played."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import RehearsalRefused
from touchline.features import build_examples

if TYPE_CHECKING:
    from touchline.ingest import Snapshot
    from touchline.project import LoadedProject
    from touchline.rehearsal.stepped_run import Steps


def require_open_examples(loaded: LoadedProject, snapshots: Mapping[str, Snapshot], steps: Steps) -> None:
    """Raise `RehearsalRefused` where no example has its cutoff in the time, or all have their label by then.

    An example whose label is known at its cutoff is never open, so nothing would predict it.
    """
    task = loaded.project.task
    if not all(source.name in snapshots for source in task.examples.sources):
        return
    rows = build_examples(task.examples, snapshots).rows
    first, last = f"{steps.first:%Y-%m-%d}", f"{steps.last:%Y-%m-%d}"
    inside = rows.filter(pl.col("cutoff").is_between(steps.first, steps.last, closed="left"))
    if inside.is_empty():
        raise RehearsalRefused(
            loaded.name, f"from {first} to {last} no example has its cutoff; {cutoffs_in_words(rows)}"
        )
    is_open = pl.col("label").is_null() | (pl.col("label_timestamp") > pl.col("cutoff"))
    if task.label_horizon is None and inside.filter(is_open).is_empty():
        raise RehearsalRefused(
            loaded.name,
            f"each of the {inside.height} examples from {first} to {last} has its label at its cutoff, so none was "
            "open to be predicted. Where labels come later, say when: Source(known_after=..., "
            "hidden_until_known=(LABEL,)), with the event's own time as cutoff",
        )


def cutoffs_in_words(rows: pl.DataFrame) -> str:
    """The first and the last cutoff of examples, in words."""
    if rows.is_empty():
        return "there are no examples"
    first, last = rows.select(pl.col("cutoff").min(), pl.col("cutoff").max().alias("last")).row(0)
    return f"the cutoffs of all go from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
