"""The releases of one project as the registry stores them: the journal says which, the object store has the bundle."""

from __future__ import annotations

from collections.abc import Callable

from touchline.errors import ReleaseNotFound
from touchline.registry import Journal, LoadedRelease, Releases, StageState
from touchline.rollout import RolloutRecords, RolloutState, routing_in
from touchline.serving.releases.release_slot import Head


class JournalReleases:
    """The releases of one project. The journal is read only after rows were added to it.

    `rollouts` are those of the project; without them Production answers alone. `newest_copy` gives the sequence of the
    newest stage change that has a copy, which a damaged database may lack.
    """

    def __init__(
        self,
        project: str,
        journal: Journal,
        releases: Releases,
        *,
        rollouts: RolloutRecords | None = None,
        newest_copy: Callable[[], int] = int,
    ) -> None:
        self._rollouts, self._rollout_sequence = rollouts, -1
        self._newest_copy = newest_copy
        self._project, self._journal, self._releases = project, journal, releases
        self._head = Head(-1, None)
        self._watches = [source.watch() for source in (journal, rollouts) if source]

    def head(self) -> Head:
        answers = [watch.may_have_changed() for watch in self._watches]  # each is asked at every look
        if not any(answers):
            return self._head
        try:
            return self._read_head()
        except Exception:
            for watch in self._watches:
                watch.reset()
            raise

    def _read_head(self) -> Head:
        sequence = self._journal.head(self._project)
        rollout_sequence = self._rollouts.head() if self._rollouts else 0
        if (sequence, rollout_sequence) == (self._head.sequence, self._rollout_sequence):
            return self._head
        newest = self._rollouts.newest() if self._rollouts and rollout_sequence else None
        copied = self._newest_copy()
        state = self._journal.state(self._project)  # after the copies, which are written after their commit
        before = state.productions[-2] if len(state.productions) > 1 else None
        self._head = Head(
            state.sequence,
            state.releases.get(state.production) if state.production is not None else None,
            state.releases.get(before) if before is not None else None,
            max(0, copied - state.sequence),
            routing_in(newest, state) if newest and newest.end is None else None,
            _beside(state, newest),
        )
        self._rollout_sequence = rollout_sequence
        return self._head

    def load(self, release_id: str) -> LoadedRelease:
        """The verified release. Raises `ReleaseNotFound`, `ReleaseTampered` or `ReleaseBroken`."""
        release = self._releases.open(release_id)
        if release.project != self._project:
            raise ReleaseNotFound(self._project, release_id)
        return release


def _beside(state: StageState, rollout: RolloutState | None) -> tuple[str, ...]:
    """The releases whose fields a request may bring beside those of Production's.

    They are the version in Staging and both versions of the newest rollout, also after its end: clients that send the
    fields of one of them are not refused because a decision was made.
    """
    staging = state.releases.get(state.staging) if state.staging is not None else None
    sides = (rollout.rule.candidate.release, rollout.rule.reference.release) if rollout else ()
    production = state.releases.get(state.production) if state.production is not None else None
    return tuple(dict.fromkeys(one for one in (staging, *sides) if one and one != production))
