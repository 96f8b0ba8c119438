"""Many rows at once, from a frame: columns in, columns out. Bulk answers are not part of the prediction log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from touchline.errors import FeaturesExpired, InvalidEntityKey, MissingColumns
from touchline.features import frame_vectors
from touchline.features.vectors.columns import Vectors
from touchline.registry import LoadedRelease
from touchline.serving.predicting.bulk_columns import read_column, read_instants
from touchline.serving.predicting.declared_field import declared_field
from touchline.serving.predicting.request_fields import RESERVED, key_fields
from touchline.serving.predicting.scored_row import FeatureReads

if TYPE_CHECKING:
    import polars as pl

_CHUNK = 50_000


@dataclass(frozen=True)
class Bulk:
    """Answers in the order of the rows. A refused row has nulls and says why in `problem`.

    Of two classes, `score` is the probability of the second, under a name that does not depend on the project.
    """

    frame: pl.DataFrame
    rows: int
    refused: int


def score_frame(
    release: LoadedRelease,
    reader: FeatureReads | None,
    frame: pl.DataFrame,
    *,
    now: datetime,
    on_progress: Callable[[int, int], None] | None = None,
) -> Bulk:
    """Score every row: by inputs, and by entity keys where the release has views, at its `cutoff` or `now`.

    Text is read as what the field declares, so a CSV needs no types. Columns that the release does not know are left
    alone. `on_progress(done, total)` is called after each part. Raises `MissingColumns` when the frame lacks a field
    that requests need.
    """
    import polars as pl

    _validate_columns(release, frame)
    known = [name for name in frame.columns if name in _columns_of(release)]
    frame = frame.select(known)
    parts = []
    for done, chunk in _chunks(frame):
        parts.append(_score(release, reader, chunk, now))
        if on_progress is not None:
            on_progress(done, len(frame))
    answers = pl.concat(parts) if parts else _score(release, reader, frame, now)
    return Bulk(answers, len(answers), int(answers["problem"].is_not_null().sum()))


def _columns_of(release: LoadedRelease) -> set[str]:
    return {*release.entity_columns, *(field.name for field in release.inputs), *RESERVED}


def _chunks(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    for start in range(0, len(frame), _CHUNK):
        chunk = frame.slice(start, _CHUNK)
        yield start + len(chunk), chunk


def _validate_columns(release: LoadedRelease, frame: pl.DataFrame) -> None:
    needed = [*release.entity_columns, *(field.name for field in release.inputs if field.is_required)]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise MissingColumns(release.project, missing, frame.columns)


class _Problems:
    """Why a row is refused: every field that does not fit, with what is allowed; null where all fit."""

    def __init__(self, rows: int) -> None:
        import polars as pl

        self.found = pl.Series("problem", [None] * rows, dtype=pl.String)

    def note(self, is_broken: pl.Series, text: str) -> None:
        """Add a problem to the rows of a mask, after those that they have."""
        import polars as pl

        is_broken = is_broken.fill_null(False)
        if is_broken.any():
            longer = pl.concat_str(self.found, pl.lit(text), separator="; ", ignore_nulls=True)
            chosen = pl.when(is_broken).then(longer).otherwise(self.found)
            self.found = pl.select(chosen.alias("problem")).to_series()


def _score(release: LoadedRelease, reader: FeatureReads | None, frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    import polars as pl

    problems = _Problems(len(frame))
    typed = _typed(release, frame, problems)
    vectors = _vectors(release, reader, typed, now, problems)
    outputs = release.model.predict(vectors)
    is_infinite = pl.Series(~np.isfinite(outputs).all(axis=1)) & problems.found.is_null()
    problems.note(is_infinite, "the model has no finite answer to these values")
    names = [f"p_{name}" for name in release.classes] if release.kind != "regression" else ["value"]
    columns = {name: pl.Series(outputs[:, place]) for place, name in enumerate(names)}
    if len(release.classes) == 2:
        columns["score"] = pl.Series(outputs[:, 1])
    if release.interval is not None:
        half = release.interval.half_widths_of(outputs[:, 0])
        columns |= {"low": pl.Series(outputs[:, 0] - half), "high": pl.Series(outputs[:, 0] + half)}
    answers = pl.DataFrame(columns).with_columns(problem=problems.found)
    return answers.with_columns(pl.when(pl.col("problem").is_null()).then(pl.col(name)).alias(name) for name in columns)


def _typed(release: LoadedRelease, frame: pl.DataFrame, problems: _Problems) -> dict[str, pl.Series]:
    """The columns as the release declares them; values that do not fit are noted and null."""
    import polars as pl

    typed: dict[str, pl.Series] = {}
    for key in key_fields(release):
        given = typed[key.name] = frame[key.name]
        if not key.is_nullable:
            problems.note(given.is_null(), f"{key.name}: missing; an entity key is needed")
        if key.levels:
            is_foreign = ~given.cast(pl.String, strict=False).is_in(key.levels)
            problems.note(is_foreign & given.is_not_null(), f"{key.name}: allowed is {key.allowed}")
    for field in map(declared_field, release.inputs):
        given = frame[field.name] if field.name in frame.columns else pl.Series(field.name, [None] * len(frame))
        typed[field.name], faults = read_column(field, given)
        for is_broken, text in faults:
            problems.note(is_broken, f"{field.name}: {text}")
    if "cutoff" in frame.columns:
        typed["cutoff"] = read_instants(frame["cutoff"])
        is_broken = frame["cutoff"].is_not_null() & typed["cutoff"].is_null()
        problems.note(is_broken, "cutoff: not an instant with a zone (ISO 8601)")
    return typed


def _vectors(
    release: LoadedRelease,
    reader: FeatureReads | None,
    typed: Mapping[str, pl.Series],
    now: datetime,
    problems: _Problems,
) -> Vectors:
    import polars as pl

    if release.views:
        return _looked_up(release, reader, typed, now, problems)
    frame = pl.DataFrame({"problem": problems.found, "cutoff": pl.Series([None] * len(problems.found)), **typed})
    frame = frame.with_columns(pl.col("cutoff").cast(pl.Datetime("us", "UTC")).fill_null(now))
    return frame_vectors(release.columns, frame, release.transforms)


def _looked_up(
    release: LoadedRelease,
    reader: FeatureReads | None,
    typed: Mapping[str, pl.Series],
    now: datetime,
    problems: _Problems,
) -> Vectors:
    """Vectors from the online store: those of refused rows, and of rows that it refuses, are empty."""
    import polars as pl

    assert reader is not None, "a release with views is served with a store"
    vectors = np.full((len(problems.found), len(release.columns)), np.nan)
    places = problems.found.is_null().arg_true().to_list()
    rows = pl.DataFrame(dict(typed))[places].to_dicts()
    cutoffs = [row.get("cutoff") or now for row in rows]
    texts: list[str | None] = [None] * len(vectors)
    for part, found in _readable(reader, rows, cutoffs) if rows else ():
        if isinstance(found, str):
            texts[places[part.start]] = found
        else:
            vectors[places[part]] = found
    problems.found = problems.found.fill_null(pl.Series(texts, dtype=pl.String))
    return vectors


def _readable(
    reader: FeatureReads, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]
) -> Iterator[tuple[slice, Vectors | str]]:
    """Slices of the rows with their vectors, and single rows with the reason of their refusal.

    Where rows are refused, each half is read by itself: a few refused rows cost few reads, and not one for every row.
    """
    waiting = [slice(0, len(rows))]
    while waiting:
        part = waiting.pop()
        try:
            yield part, reader.read(rows[part], cutoffs[part]).vectors
        except (FeaturesExpired, InvalidEntityKey) as wrong:
            if part.stop - part.start == 1:
                yield part, str(wrong)
                continue
            middle = (part.start + part.stop) // 2
            waiting += [slice(middle, part.stop), slice(part.start, middle)]
