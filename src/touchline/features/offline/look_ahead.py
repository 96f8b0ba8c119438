"""Proof, on a sample of instants, that a view does not look into the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from touchline.errors import LooksAhead
from touchline.features.offline.history import newest_rows_of_source, raise_if_moved, view_rows, where_of

if TYPE_CHECKING:
    from touchline.features.declaration.view import FeatureView

SAMPLE = 3


def sample_instants(versions: Sequence[pl.DataFrame], count: int = SAMPLE) -> list[datetime]:
    """Instants spread evenly over the events of the sources, the last event left out."""
    events = pl.concat([frame["event_timestamp"] for frame in versions]).unique().sort()
    if len(events) < 2:
        return []
    places = {min(len(events) - 2, len(events) * part // (count + 1)) for part in range(1, count + 1)}
    return [events[place] for place in sorted(places)]


def validate_causal(view: FeatureView, versions: Sequence[pl.DataFrame], instants: Sequence[datetime]) -> None:
    """Raise `LooksAhead` if values at or before an instant change when the sources' later rows are taken away."""
    if not instants:
        return
    frames = [
        newest_rows_of_source(source, frame).collect() for source, frame in zip(view.sources, versions, strict=True)
    ]
    whole = view_rows(view, [frame.lazy() for frame in frames]).rows
    for instant in instants:
        cut = view_rows(view, [frame.filter(pl.col("event_timestamp") <= instant).lazy() for frame in frames])
        _compare(view, _known_by(whole, instant), _known_by(cut.rows, instant))


def _known_by(rows: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    return rows.filter(pl.max_horizontal("event_timestamp", "created_timestamp") <= instant)


def _compare(view: FeatureView, whole: pl.DataFrame, cut: pl.DataFrame) -> None:
    identity = [*view.join_keys, "event_timestamp"]
    for one, other, facts in ((whole, cut, "needs later rows to exist"), (cut, whole, "vanishes when later rows come")):
        alone = one.join(other, on=identity, how="anti")
        if len(alone):
            raise LooksAhead(view.name, view.features[0].name, where_of(view, alone.row(0, named=True)), facts)
    raise_if_moved(view, whole, cut)
