"""The releases on record: the only SQL on their table, and the one way to open one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, insert, select

from touchline.errors import ReleaseNotFound, ReleaseTampered, UnknownPlugin, failure_in_words
from touchline.registry.release.load import load_release
from touchline.registry.release.loaded_release import LoadedRelease
from touchline.registry.release.manifest import ReleaseManifest
from touchline.storage import DataStores, tables

if TYPE_CHECKING:
    from touchline.registry.release.signature import ReleaseKeys
    from touchline.training import Family

Families = Callable[[str], Mapping[str, "Family"]]
"""The estimators that the code of a project brings, by the project's name."""


@dataclass(frozen=True)
class Release:
    """An immutable bundle, named by its digest. `path` is where it can be loaded from."""

    id: str
    project: str
    version: int
    digest: str
    object_key: str
    path: Path

    def read_manifest(self) -> ReleaseManifest:
        """The content of the bundle, unverified: for callers that do not load it. Raises `ReleaseTampered`."""
        try:
            return _manifest_of((self.path / "release.json").read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as damaged:
            raise ReleaseTampered(
                str(self.path), "release.json", actual=failure_in_words(damaged), expected="the manifest"
            ) from damaged


@lru_cache(maxsize=64)
def _manifest_of(data: bytes) -> ReleaseManifest:
    """The manifest in these bytes: the same few releases are asked for their views and columns all the time."""
    return ReleaseManifest.from_bytes(data)


def no_families(project: str) -> Mapping[str, Family]:  # noqa: ARG001  one signature
    """For callers whose releases use installed estimators only."""
    return {}


class Releases:
    """The releases of a home. `families` is called only for a release whose estimator no package brings.

    With `keys`, a release is loaded only where its signature is one of theirs.
    """

    def __init__(self, stores: DataStores, families: Families = no_families, keys: ReleaseKeys | None = None) -> None:
        self._stores, self._families, self._keys = stores, families, keys

    def find(self, release_id: str) -> Release | None:
        """The record of a release, or None."""
        row = self._read(release_id)
        if row is None:
            return None
        path = self._stores.objects.local_path(row.object_key)
        return Release(row.id, row.project, row.version, row.digest, row.object_key, path)

    def digest(self, release_id: str) -> str | None:
        """The digest on record of a release, whether its files are there or not."""
        row = self._read(release_id)
        return None if row is None else str(row.digest)

    def _read(self, release_id: str) -> Row[Any] | None:
        table, database = tables.releases, self._stores.database

        def read() -> Row[Any] | None:
            with database.connect() as connection:
                return connection.execute(select(table).where(table.c.id == release_id)).first()

        return database.unchanging_rows.read(("releases", release_id), read)

    def open(self, release_id: str) -> LoadedRelease:
        """The release, verified and self-tested, with its project's own estimators.

        Raises `ReleaseNotFound`, `ReleaseTampered` or `ReleaseBroken`; `UnknownPlugin` for an estimator that neither
        the project nor a package has.
        """
        release = self.find(release_id)
        if release is None:
            raise ReleaseNotFound("The registry", release_id)
        return self.load(release.path, project=release.project, digest=release.digest)

    def load(self, folder: Path, *, project: str, digest: str) -> LoadedRelease:
        """The release in a folder, whether it is on record yet or not."""
        if self._keys is not None:
            self._keys.verify(folder)
        try:
            return load_release(folder, digest=digest)
        except UnknownPlugin:
            families = self._families(project)
            if not families:
                raise
            return load_release(folder, digest=digest, families=families)

    @staticmethod
    def record(connection: Connection, release: Release, *, at: datetime) -> None:
        """Write the release's row, if it is not there, inside the transaction of the stage change."""
        table = tables.releases
        if connection.execute(select(table.c.id).where(table.c.id == release.id)).first():
            return
        connection.execute(
            insert(table).values(
                id=release.id,
                project=release.project,
                version=release.version,
                digest=release.digest,
                object_key=release.object_key,
                created_at=at,
            )
        )
