"""Labels that time itself brings: no event by the horizon is the negative."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from touchline.features import close_at_horizon

START = datetime(2024, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=30)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def closed(label: str | None, known: datetime | None, *, now: datetime) -> tuple[str | None, datetime | None]:
    schema = {"cutoff": pl.Datetime("us", "UTC"), "label": pl.String, "label_timestamp": pl.Datetime("us", "UTC")}
    row = pl.DataFrame({"cutoff": [START], "label": [label], "label_timestamp": [known]}, schema=schema)
    done = close_at_horizon(row, HORIZON, negative="stays", now=now)
    return done["label"].item(), done["label_timestamp"].item()


@pytest.mark.parametrize(
    ("label", "known", "now", "expected"),
    [
        (None, None, day(29), (None, None)),
        (None, None, day(30), ("stays", day(30))),
        ("leaves", day(30), day(40), ("leaves", day(30))),
        ("leaves", day(31), day(40), ("stays", day(30))),
        ("leaves", day(10), day(12), ("leaves", day(10))),
    ],
    ids=["open", "over", "event at the horizon", "event after it", "event before it"],
)
def test_no_event_by_the_horizon_is_the_negative(
    label: str | None, known: datetime | None, now: datetime, expected: tuple[str | None, datetime | None]
) -> None:
    assert closed(label, known, now=now) == expected


def test_labels_that_are_no_text_are_named_as_their_classes() -> None:
    stamps = pl.Series("cutoff", [START, START]).cast(pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"cutoff": stamps, "label": [True, None], "label_timestamp": [day(1), None]})
    rows = rows.with_columns(pl.col("label_timestamp").cast(pl.Datetime("us", "UTC")))
    done = close_at_horizon(rows, HORIZON, negative="false", now=day(60))
    assert done["label"].to_list() == ["true", "false"]
