"""A batch merged by key into all the row versions there are, with the instants of DESIGN's "Time".

The cell is what is known: a cell that was null in every version of its row and is filled now is a first sighting, as
if it had come with the row, and is filled in all versions. A cell that had a value and gets another one is a
correction: a new version, created at the ingest; the older version stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from touchline.errors import ColumnRetyped
from touchline.ingest.event_times import CREATED, EVENT, INSTANT, MANIFEST, event_timestamp
from touchline.ingest.spec import Source

_NEW = "__new__"


@dataclass(frozen=True)
class Merged:
    """All versions after a batch, sorted by key and created time; rows by what the batch did to them."""

    versions: pl.DataFrame
    added: int
    changed: int
    settled: int


def merge(
    source: Source,
    stored: pl.DataFrame | None,
    batch: pl.DataFrame,
    *,
    absent: frozenset[str],
    now: datetime,
    manifest: str,
) -> Merged:
    """The versions after `batch` (contract columns, one row a key) was seen at `now`.

    `absent` columns are not in the batch at all: what is stored in them stays.
    """
    columns = list(source.compiled.columns)
    first = batch.with_columns(pl.col(EVENT).alias(CREATED), pl.lit(manifest).alias(MANIFEST))
    if stored is None or stored.is_empty():
        names = [*columns, EVENT, CREATED, MANIFEST]
        return Merged(first.select(names).sort(*source.keys), first.height, 0, 0)
    stored = _in_present_form(source, stored, columns)
    keys = list(source.keys)
    added = first.join(stored, on=keys, how="anti")
    current = newest_versions(stored, keys)
    pairs = current.join(batch.select(columns), on=keys, how="inner", suffix=_NEW)
    return _merge_known(source, stored, added, _differing(source, pairs, absent), now=now, manifest=manifest)


def newest_versions(versions: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The last version of each key, of versions sorted by key and created time."""
    is_last = pl.any_horizontal([pl.col(key).ne_missing(pl.col(key).shift(-1)) for key in keys])
    return versions.filter(is_last)


def _sorted(source: Source, versions: pl.DataFrame) -> pl.DataFrame:
    names = [*source.compiled.columns, EVENT, CREATED, MANIFEST]
    return versions.select(names).sort(*source.keys, CREATED, maintain_order=True)


def _in_present_form(source: Source, stored: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Stored versions with the contract's present columns and the declared times applied to them again."""
    types = source.compiled.columns
    present: list[pl.Expr | pl.Series] = []
    for name in columns:
        if name not in stored.columns:
            present.append(pl.lit(None, dtype=types[name]).alias(name))
            continue
        try:
            present.append(stored[name].cast(types[name]))
        except pl.exceptions.InvalidOperationError as wrong:
            raise ColumnRetyped(source.name, name, str(stored.schema[name]), str(types[name])) from wrong
    return _restamped(source, stored.select(*present, EVENT, CREATED, MANIFEST))


def _restamped(source: Source, versions: pl.DataFrame) -> pl.DataFrame:
    """First sightings follow their event_timestamp; a correction is never created before it."""
    fresh = versions.with_columns(event_timestamp(source))[EVENT]
    if versions[EVENT].equals(fresh):
        return versions
    created = pl.when(pl.col(CREATED) == pl.col(EVENT)).then(pl.col(_NEW)).otherwise(pl.max_horizontal(CREATED, _NEW))
    moved = versions.with_columns(fresh.alias(_NEW)).with_columns(created.alias(CREATED), pl.col(_NEW).alias(EVENT))
    # A version that is now knowable only after its own correction was never known.
    later = pl.col(CREATED).reverse().cum_min().reverse().shift(-1).over(list(source.keys))
    return moved.drop(_NEW).filter((pl.col(CREATED) < later) | later.is_null())


def _differing(source: Source, pairs: pl.DataFrame, absent: frozenset[str]) -> pl.DataFrame:
    """The pairs of (stored, new) rows in which some cell differs."""
    compared = [name for name in source.compiled.columns if name not in source.keys and name not in absent]
    if not compared:
        return pairs.clear()
    kept = [pl.col(name).alias(f"{name}{_NEW}") for name in absent if name not in source.keys]
    differs = pl.any_horizontal([pl.col(name).ne_missing(pl.col(f"{name}{_NEW}")) for name in compared])
    return pairs.with_columns(kept).filter(differs)


def _merge_known(
    source: Source, stored: pl.DataFrame, added: pl.DataFrame, pairs: pl.DataFrame, *, now: datetime, manifest: str
) -> Merged:
    if pairs.is_empty():
        versions = stored if added.is_empty() else pl.concat([stored, added.select(stored.columns)])
        return Merged(_sorted(source, versions), added.height, 0, 0)
    keys = list(source.keys)
    touched = stored.join(pairs.select(keys), on=keys, how="semi")
    untouched = stored.join(pairs.select(keys), on=keys, how="anti")
    news = _sightings(source, touched, pairs)
    corrected = news.filter("__correction__")
    filled = _filled(source, touched, news, manifest)
    # What was not knowable yet when it changed was never known: the change takes its place.
    overtaken = filled.join(corrected.select(keys), on=keys, how="semi").filter(pl.col(CREATED) >= now)
    filled = filled.join(overtaken.select(*keys, CREATED), on=[*keys, CREATED], how="anti")
    corrections = _corrections(source, corrected, now, manifest)
    versions = pl.concat([untouched, filled.select(stored.columns), corrections.select(stored.columns)])
    versions = _without_shadowed(source, _sorted(source, pl.concat([versions, added.select(stored.columns)])))
    settled = news.filter("__sighting__").height
    return Merged(versions, added.height, corrected.height, settled)


def _sightings(source: Source, touched: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """For each differing row, whether it fills cells never seen before, and whether it corrects one that was."""
    keys, columns = list(source.keys), _values(source)
    seen = touched.group_by(keys).agg(pl.col(columns).is_not_null().any().name.prefix("__seen__"))
    news = pairs.join(seen, on=keys, how="left")
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}{_NEW}")) for name in columns}
    correction = pl.any_horizontal([differs[name] & pl.col(f"__seen__{name}") for name in columns])
    sighting = pl.any_horizontal([differs[name] & ~pl.col(f"__seen__{name}") for name in columns])
    return news.with_columns(correction.alias("__correction__"), sighting.alias("__sighting__"))


def _filled(source: Source, touched: pl.DataFrame, news: pl.DataFrame, manifest: str) -> pl.DataFrame:
    """All versions of the rows in question, with the cells that were never seen before filled in."""
    keys, columns = list(source.keys), _values(source)
    names = [f"{name}{_NEW}" for name in columns] + [f"__seen__{name}" for name in columns]
    joined = touched.join(news.select(*keys, "__sighting__", *names), on=keys, how="left")
    cells = [
        pl.when(f"__seen__{name}").then(pl.col(name)).otherwise(pl.col(f"{name}{_NEW}")).alias(name) for name in columns
    ]
    brought = pl.when("__sighting__").then(pl.lit(manifest)).otherwise(pl.col(MANIFEST)).alias(MANIFEST)
    return _restamped(source, joined.with_columns(*cells, brought).select(touched.columns))


def _corrections(source: Source, corrected: pl.DataFrame, now: datetime, manifest: str) -> pl.DataFrame:
    rows = corrected.select(*source.keys, *(pl.col(f"{name}{_NEW}").alias(name) for name in _values(source)))
    stamped = rows.with_columns(event_timestamp(source), pl.lit(manifest).alias(MANIFEST))
    return stamped.with_columns(pl.max_horizontal(pl.lit(now, dtype=INSTANT), EVENT).alias(CREATED))


def _values(source: Source) -> list[str]:
    return [name for name in source.compiled.columns if name not in source.keys]


def _without_shadowed(source: Source, versions: pl.DataFrame) -> pl.DataFrame:
    """One version for each key and created instant: the last that came."""
    return versions.unique([*source.keys, CREATED], keep="last", maintain_order=True)
