"""Training sets: examples, what was known of them at their cutoff, and where every value came from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from touchline.errors import InvalidView, StoredFileDamaged
from touchline.features.declaration.code_versions import short_hash
from touchline.features.declaration.on_demand import CUTOFF, Transform, apply_transforms
from touchline.features.offline.histories import FeatureHistory
from touchline.features.offline.history import empty_history
from touchline.features.offline.key_partitions import PartitionRunner
from touchline.features.offline.point_in_time import point_in_time_join
from touchline.features.vectors.columns import ColumnSpec, Vectors, column_vectors
from touchline.ingest import content_hash
from touchline.storage import DataStores, parquet_bytes, tables

if TYPE_CHECKING:
    from touchline.features.declaration.on_demand import OnDemand
    from touchline.features.declaration.view import ViewJoin
    from touchline.storage import Database


@dataclass(frozen=True)
class TrainingSet:
    """Rows to learn from: example columns, then model columns. Equal content has an equal hash."""

    frame: pl.DataFrame
    columns: tuple[ColumnSpec, ...]
    hash: str
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def excluded(self) -> Mapping[str, int]:
        """The number of examples that the declaration left out, by reason."""
        excluded: Mapping[str, int] = self.lineage.get("excluded", {})
        return excluded

    def vectors(self, frame: pl.DataFrame | None = None) -> Vectors:
        """The model columns of the frame (or of rows of it) as float64 [rows, columns]."""
        return frame_vectors(self.columns, self.frame if frame is None else frame)

    def values(self, names: Sequence[str], places: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The values of some model columns in these rows of the frame, as on-demand transforms receive them."""
        rows = self.frame[places]
        specs = {column.name: column for column in self.columns}
        values = {name: _values(rows[name], specs[name]) for name in names if name in specs}
        return values | ({CUTOFF: _seconds(rows[CUTOFF])} if CUTOFF in names else {})


def frame_vectors(columns: Sequence[ColumnSpec], frame: pl.DataFrame, transforms: Sequence[Transform] = ()) -> Vectors:
    """The rows of a frame as vectors, float64 [rows, columns]; a column that the frame lacks is missing.

    On-demand columns are computed where transforms are given, otherwise read from the frame. A transform that takes the
    cutoffs gets them from the frame's column of that name.
    """
    values: dict[str, Any] = {
        column.name: _values(frame[column.name], column) for column in columns if column.name in frame.columns
    }
    if transforms and CUTOFF in frame.columns:
        values[CUTOFF] = _seconds(frame[CUTOFF])
    return column_vectors(columns, values, len(frame), transforms)


def build_training_set(
    examples: pl.DataFrame,
    joins: Sequence[ViewJoin],
    histories: Mapping[str, FeatureHistory],
    inputs: Sequence[str] = (),
    on_demand: Sequence[OnDemand] = (),
    *,
    runner: PartitionRunner | None = None,
) -> TrainingSet:
    """Join the views to the examples as known at each cutoff, and run the on-demand transforms.

    A `runner` joins ranges of keys on a cluster; the training set is the same.
    """
    frame, specs = _assemble(examples, joins, histories, inputs, on_demand, runner=runner)
    return TrainingSet(
        frame=frame,
        columns=specs,
        hash=_hash_of(frame, specs),
        lineage=_lineage(joins, histories, on_demand),
    )


def empty_training_set(
    examples: pl.DataFrame, joins: Sequence[ViewJoin], inputs: Sequence[str] = (), on_demand: Sequence[OnDemand] = ()
) -> TrainingSet:
    """The training set of no examples over views whose sources have no rows: its columns, and every error of a name.

    A transform that cannot take arrays without rows is not run.
    """
    histories = {join.view.name: empty_history(join.view) for join in joins}
    runnable = [transform for transform in on_demand if _takes_no_rows(transform, examples, joins, histories, inputs)]
    frame, specs = _assemble(examples, joins, histories, inputs, runnable)
    return TrainingSet(frame, specs, "")


def _takes_no_rows(
    transform: OnDemand,
    examples: pl.DataFrame,
    joins: Sequence[ViewJoin],
    histories: Mapping[str, pl.LazyFrame],
    inputs: Sequence[str],
) -> bool:
    try:
        _assemble(examples, joins, histories, inputs, [transform])
    except (ValueError, IndexError, ZeroDivisionError):  # such as the largest of no values
        return False
    return True


def _assemble(
    examples: pl.DataFrame,
    joins: Sequence[ViewJoin],
    histories: Mapping[str, FeatureHistory] | Mapping[str, pl.LazyFrame],
    inputs: Sequence[str],
    on_demand: Sequence[OnDemand],
    *,
    runner: PartitionRunner | None = None,
) -> tuple[pl.DataFrame, tuple[ColumnSpec, ...]]:
    """The joined examples with the outputs of the transforms, and the model columns among theirs."""
    _validate_names(examples, joins, inputs, on_demand)
    joined = point_in_time_join(examples, joins, histories, runner=runner)
    columns = [*_join_columns(joined, joins), *(_spec(joined[name], "input") for name in inputs)]
    values = {column.name: _values(joined[column.name], column) for column in columns}
    added = apply_transforms(on_demand, {**values, CUTOFF: _seconds(joined[CUTOFF])}, len(joined))
    frame = joined.with_columns(pl.Series(name, numbers, nan_to_null=True) for name, numbers in added.items())
    columns += [ColumnSpec(name, "number", origin="on_demand") for name in added]
    return frame, tuple(columns)


def write_training_set(training_set: TrainingSet, *, project: str, stores: DataStores, now: datetime) -> str:
    """Keep the training set under its hash; the object key. Writing it again changes nothing."""
    key = f"{project}/training_sets/{training_set.hash}.parquet"
    stores.objects.write(key, parquet_bytes(training_set.frame))  # in place of a damaged one, too
    lineage = {**training_set.lineage, "columns": [column.to_json() for column in training_set.columns]}
    row = {
        "hash": training_set.hash,
        "project": project,
        "object_key": key,
        "rows": len(training_set.frame),
        "lineage": lineage,
        "created_at": now,
    }
    try:
        with stores.database.begin() as connection:
            connection.execute(insert(tables.training_sets).values(row))
    except IntegrityError:
        return key  # kept before
    return key


def read_training_set(hash: str, *, project: str, stores: DataStores) -> TrainingSet | None:
    """The training set of that hash, or None. Raises `StoredFileDamaged` for one that is no longer as stored."""
    table = tables.training_sets
    query = select(table.c.object_key, table.c.lineage).where(table.c.project == project, table.c.hash == hash)
    with stores.database.connect() as connection:
        found = connection.execute(query).first()
    if found is None:
        return None
    lineage = dict(found.lineage)
    columns = tuple(ColumnSpec.from_json(column) for column in lineage.pop("columns"))
    frame = _read_frame(stores.objects.local_path(found.object_key), found.object_key)
    actual = _hash_of(frame, columns)
    if actual != hash:
        raise StoredFileDamaged(found.object_key, f"its content has the hash {actual}", f"the hash {hash}")
    return TrainingSet(frame, columns, hash, lineage)


@dataclass(frozen=True)
class StoredTrainingSets:
    """The records of a project's training sets."""

    project: str
    stores: DataStores

    def lineages(self) -> dict[str, Mapping[str, Any]]:
        """The origin of each, by hash."""
        table = tables.training_sets.c
        with self.stores.database.connect() as connection:
            rows = connection.execute(select(table.hash, table.lineage).where(table.project == self.project)).all()
        return {row.hash: row.lineage for row in rows}

    def unused(self, used: Collection[str], *, before: datetime) -> tuple[list[str], frozenset[str]]:
        """The hashes of those from before an instant that are not `used`, and the object keys of the others."""
        table = tables.training_sets.c
        query = select(table.hash, table.object_key, table.created_at).where(table.project == self.project)
        with self.stores.database.connect() as connection:
            rows = connection.execute(query).all()
        old = [row.hash for row in rows if row.created_at < before and row.hash not in used]
        return old, frozenset(row.object_key for row in rows if row.hash not in old)

    def drop(self, hashes: Collection[str]) -> None:
        """Delete the records of these."""
        table = tables.training_sets
        with self.stores.database.begin() as connection:
            for hash in hashes:
                connection.execute(delete(table).where(table.c.project == self.project, table.c.hash == hash))


def _read_frame(path: Path, key: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as unreadable:
        raise StoredFileDamaged(key, f"it is no Parquet file ({unreadable})", "rows") from unreadable


def _hash_of(frame: pl.DataFrame, columns: Sequence[ColumnSpec]) -> str:
    return short_hash([content_hash(frame), [column.to_json() for column in columns]])


def read_lineage(hash: str, *, project: str, database: Database) -> Mapping[str, Any] | None:
    """The origin of the training set of that hash; None where it is not stored."""
    return read_lineages([hash], project=project, database=database).get(hash)


def read_lineages(hashes: Iterable[str], *, project: str, database: Database) -> dict[str, Mapping[str, Any]]:
    """The origins of the stored training sets among these, by hash."""
    table = tables.training_sets.c
    query = select(table.hash, table.lineage).where(table.project == project, table.hash.in_(set(hashes)))
    with database.connect() as connection:
        return {row.hash: row.lineage for row in connection.execute(query)}


def _validate_names(
    examples: pl.DataFrame, joins: Sequence[ViewJoin], inputs: Sequence[str], on_demand: Sequence[OnDemand]
) -> None:
    taken = dict.fromkeys(examples.columns, "the examples")
    for name in inputs:
        if name not in taken:
            raise InvalidView(
                "inputs", f"name {name!r}, which the examples do not have", f"They have {', '.join(taken)}."
            )
    added = [(f"view {join.view.name!r}", name) for join in joins for name in join.columns]
    added += [(f"on-demand {transform.name!r}", name) for transform in on_demand for name in transform.outputs]
    for origin, name in added:
        if name in taken:
            raise InvalidView(name, f"comes from {origin} and from {taken[name]}", "Give the join another prefix.")
        taken[name] = origin


def _join_columns(joined: pl.DataFrame, joins: Sequence[ViewJoin]) -> list[ColumnSpec]:
    """In the order the joins are declared, whatever order the join produced them in."""
    return [_spec(joined[name], f"view:{join.view.name}") for join in joins for name in join.columns]


def _spec(column: pl.Series, origin: str) -> ColumnSpec:
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        levels = column.cast(pl.String).drop_nulls().unique().sort().to_list()
        return ColumnSpec(column.name, "category", tuple(levels), origin)
    if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype in (pl.Boolean, pl.Null):
        return ColumnSpec(column.name, "number", (), origin)
    raise InvalidView(column.name, f"is of type {column.dtype}", "Model columns are numbers, booleans or text.")


def _values(column: pl.Series, spec: ColumnSpec) -> NDArray[Any]:
    """Numbers as float64 with NaN for null (instants as seconds since 1970), categories as objects with None."""
    if spec.kind == "category":
        return np.array(column.cast(pl.String).to_list(), dtype=object)
    return _seconds(column) if column.dtype.is_temporal() else column.cast(pl.Float64).to_numpy()


def _seconds(instants: pl.Series) -> NDArray[np.float64]:
    """Instants as seconds since 1970, NaN for null."""
    return instants.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy() / 1e6


def _lineage(
    joins: Sequence[ViewJoin], histories: Mapping[str, FeatureHistory], on_demand: Sequence[OnDemand]
) -> dict[str, Any]:
    names = sorted({join.view.name for join in joins})
    sources = {source: hash for name in names for source, hash in histories[name].snapshots.items()}
    return {
        "sources": sources,
        "views": {name: histories[name].feature_version for name in names},
        "histories": {name: histories[name].hash for name in names},
        "on_demand": {transform.name: transform.version for transform in on_demand},
    }
