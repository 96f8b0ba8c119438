"""The releases of one project as the registry stores them: the journal says which, the object store has the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline.errors import ReleaseNotFound
from touchline.registry import Journal, LoadedRelease, Releases
from touchline.serving.releases.release_slot import Head

if TYPE_CHECKING:
    pass


class JournalReleases:
    """The releases of one project. The journal is read only after a commit to the database."""

    def __init__(self, project: str, journal: Journal, releases: Releases) -> None:
        self._project, self._journal, self._releases = project, journal, releases
        self._head = Head(-1, None)
        self._watch = journal.watch()

    def head(self) -> Head:
        if not self._watch.may_have_changed():
            return self._head
        try:
            return self._read_head()
        except Exception:
            self._watch.reset()
            raise

    def _read_head(self) -> Head:
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

    def load(self, release_id: str) -> LoadedRelease:
        """The verified release. Raises `ReleaseNotFound`, `ReleaseTampered` or `ReleaseBroken`."""
        release = self._releases.open(release_id)
        if release.project != self._project:
            raise ReleaseNotFound(self._project, release_id)
        return release
