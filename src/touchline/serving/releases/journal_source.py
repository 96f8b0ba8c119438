"""Releases as the registry keeps them: the journal says which, the object store has the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from touchline.errors import ReleaseNotFound, UnknownPlugin
from touchline.registry import Journal, load_release
from touchline.registry.release.served_release import ServedRelease, served_from
from touchline.serving.releases.release_slot import Head
from touchline.storage import Database, ObjectStore
from touchline.storage.tables import releases

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from touchline.clock import Clock
    from touchline.training import Family


class JournalReleases:
    """The releases of one project. The journal is read as a whole only when its newest entry has changed.

    `families` gives the estimators of the project's own code; it is asked only by a release that needs one.
    """

    def __init__(
        self,
        project: str,
        database: Database,
        objects: ObjectStore,
        clock: Clock,
        *,
        families: Callable[[], Mapping[str, Family]] | None = None,
    ) -> None:
        self._project, self._database, self._objects, self._families = project, database, objects, families
        self._journal = Journal(database, clock)
        self._head = Head(-1, None)

    def head(self) -> Head:
        sequence = self._journal.head(self._project)
        if sequence != self._head.sequence:
            state = self._journal.state(self._project)
            before = state.productions[-2] if len(state.productions) > 1 else None
            self._head = Head(
                state.sequence,
                state.releases.get(state.production) if state.production is not None else None,
                state.releases.get(before) if before is not None else None,
            )
        return self._head

    def load(self, release_id: str) -> ServedRelease:
        """The verified release. Raises `ReleaseNotFound`, `ReleaseTampered` or `ReleaseBroken`."""
        query = sa.select(releases.c.object_key, releases.c.digest).where(
            releases.c.id == release_id, releases.c.project == self._project
        )
        with self._database.connect() as connection:
            found = connection.execute(query).first()
        if found is None:
            raise ReleaseNotFound(self._project, release_id)
        folder = self._objects.local_path(found.object_key)
        try:
            return served_from(load_release(folder, digest=found.digest))
        except UnknownPlugin:
            if self._families is None:
                raise
            return served_from(load_release(folder, digest=found.digest, families=self._families()))
