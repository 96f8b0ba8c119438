"""The records of computed feature histories, and of values that clients pushed: what is stored, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, delete, insert, select
from sqlalchemy.exc import IntegrityError

from touchline.storage import Part, open_named, open_part, parts_of, scan_parts, tables

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from touchline.features.declaration.view import FeatureView
    from touchline.features.vectors.served_view import ServedView
    from touchline.storage import DataStores, ObjectStore


@dataclass(frozen=True)
class FeatureHistory:
    """One computed history of a view, and the snapshots and pushed values (object keys) it comes from.

    `parts` hold the rows known by `computed_until`, `pending` those that its sources show for later.
    """

    project: str
    view: str
    feature_version: str
    hash: str
    rows: int
    quarantined: int
    computed_until: datetime
    snapshots: Mapping[str, str]
    pushed: tuple[str, ...]
    parts: tuple[Part, ...]
    pending: Part | None
    keys: tuple[str, ...]
    objects: ObjectStore = field(repr=False, compare=False)

    def scan(self) -> pl.LazyFrame:
        """Keys, event_timestamp, created_timestamp and features, sorted in that order. Raises `StoredFileDamaged`."""
        import polars as pl

        frames = self.scan_parts()
        if len(frames) == 1:
            return frames[0]
        identity = [*self.keys, "event_timestamp", "created_timestamp"]
        rows = pl.concat(frames).sort(*identity, maintain_order=True)
        return rows.unique(identity, keep="last", maintain_order=True) if self.pushed else rows

    def scan_parts(self, *, without: Sequence[str] = ()) -> list[pl.LazyFrame]:
        """The same rows by file, unsorted: parts, pending rows, then pushed values; `without` files of these keys."""
        import polars as pl

        frames = scan_parts(self.objects, [part for part in self.stored if part.key not in without])
        pushed = [open_pushed(self.objects, key) for key in self.pushed if key not in without]
        if not pushed:
            return frames
        schema = scan_parts(self.objects, self.stored[:1])[0].collect_schema()
        return frames + [pl.scan_parquet(path).select(schema.names()).cast(schema) for path in pushed]

    def paths(self) -> list[Path]:
        """The files of all its rows, each checked. Raises `StoredFileDamaged`."""
        stored = [open_part(self.objects, part) for part in self.stored]
        return stored + [open_pushed(self.objects, key) for key in self.pushed]

    @property
    def stored(self) -> tuple[Part, ...]:
        """The computed parts, pending rows last."""
        return self.parts if self.pending is None else (*self.parts, self.pending)

    @property
    def files(self) -> list[str]:
        """The object keys of all its files."""
        return [*(part.key for part in self.stored), *self.pushed]


@dataclass(frozen=True)
class FeatureHistories:
    """The table of computed histories. Any version of a view may have several, one for each state of its sources."""

    stores: DataStores

    def record(self, history: FeatureHistory, *, at: datetime) -> None:
        """Note that a history was computed; where that is noted already, the first record stays."""
        row = {name: value for name, value in vars(history).items() if name not in ("keys", "objects")}
        row |= {
            "snapshots": dict(history.snapshots),
            "pushed": list(history.pushed),
            "parts": [part.to_json() for part in history.parts],
            "pending": None if history.pending is None else history.pending.to_json(),
            "created_at": at,
        }
        try:
            with self.stores.database.begin() as connection:
                connection.execute(insert(tables.feature_histories).values(row))
        except IntegrityError:
            return

    def find(
        self, project: str, view: str, feature_version: str, *, keys: Sequence[str], hash: str | None = None
    ) -> FeatureHistory | None:
        """The newest history of a version of a view with these join keys, or that of a hash; None without one."""
        table = tables.feature_histories
        query = select(table).where(
            table.c.project == project, table.c.view == view, table.c.feature_version == feature_version
        )
        if hash is not None:
            query = query.where(table.c.hash == hash)
        with self.stores.database.connect() as connection:
            newest_first = query.order_by(table.c.computed_until.desc(), table.c.created_at.desc())
            row = connection.execute(newest_first.limit(1)).mappings().first()
        return None if row is None else self._history(row, tuple(keys))

    def newest(self, view: ServedView) -> FeatureHistory | None:
        """The newest history of the version that a release reads; ingest may bring another any time."""
        return self.find(view.project, view.view, view.feature_version, keys=view.join_keys)

    def forget(self, history: FeatureHistory) -> None:
        """Drop the records of all histories of this version of a view, so that the next one is computed whole."""
        table = tables.feature_histories
        mine = (
            (table.c.project == history.project)
            & (table.c.view == history.view)
            & (table.c.feature_version == history.feature_version)
        )
        with self.stores.database.begin() as connection:
            connection.execute(delete(table).where(mine))

    def unused(
        self, project: str, used: Collection[str], *, before: datetime
    ) -> tuple[list[tuple[str, str, str]], frozenset[str]]:
        """View, version and hash of the histories from before an instant that are neither the newest of their version
        nor `used`, and the object keys of the others.
        """
        table = tables.feature_histories
        query = select(table).where(table.c.project == project)
        with self.stores.database.connect() as connection:
            rows = connection.execute(query.order_by(table.c.computed_until, table.c.created_at)).all()
        newest = {(row.view, row.feature_version): row.hash for row in rows}
        old: list[tuple[str, str, str]] = []
        keys: set[str] = set()
        for row in rows:
            is_newest = newest[row.view, row.feature_version] == row.hash
            if row.created_at < before and not is_newest and row.hash not in used:
                old.append((row.view, row.feature_version, row.hash))
                continue
            keys |= {part["key"] for part in (*row.parts, *([row.pending] if row.pending else []))}
        return old, frozenset(keys)

    def drop(self, project: str, histories: Sequence[tuple[str, str, str]]) -> None:
        """Delete the records of these histories, given by view, version and hash."""
        table = tables.feature_histories.c
        with self.stores.database.begin() as connection:
            for view, version, hash in histories:
                mine = (table.project == project) & (table.view == view) & (table.feature_version == version)
                connection.execute(delete(tables.feature_histories).where(mine, table.hash == hash))

    def versions(self, project: str) -> set[tuple[str, str]]:
        """The views and feature versions of a project that were ever computed, or that values were pushed to."""
        table = tables.feature_histories.c
        query = select(table.view, table.feature_version).where(table.project == project).distinct()
        with self.stores.database.connect() as connection:
            computed = {(row.view, row.feature_version) for row in connection.execute(query)}
        prefix = f"{project}/pushed/"
        parts = (key.removeprefix(prefix).split("/") for key in self.stores.objects.list(prefix))
        return computed | {(view, version) for view, version, _ in parts}

    def _history(self, row: RowMapping, keys: tuple[str, ...]) -> FeatureHistory:
        values: dict[str, Any] = {name: value for name, value in row.items() if name != "created_at"}
        values["parts"] = parts_of(values["parts"])
        values["pending"] = None if values["pending"] is None else Part(**values["pending"])
        values["pushed"] = tuple(values["pushed"])
        return FeatureHistory(**values, keys=keys, objects=self.stores.objects)


def pushed_parts(project: str, view: FeatureView, objects: ObjectStore) -> list[str]:
    """Object keys of the values pushed to this version of the view, oldest first; the next history holds them."""
    return sorted(objects.list(pushed_prefix(project, view)))


def open_pushed(objects: ObjectStore, key: str) -> Path:
    """The file of pushed values, checked by the digest in its name. Raises `StoredFileDamaged`."""
    return open_named(objects, key, key.rpartition("-")[2].removesuffix(".parquet"))


def pushed_prefix(project: str, view: FeatureView) -> str:
    return f"{project}/pushed/{view.name}/{view.feature_version}/"
