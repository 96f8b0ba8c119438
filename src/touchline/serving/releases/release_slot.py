"""Which release answers: a pointer per project that follows the journal, and never moves to a broken release."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from touchline.clock import Clock, SystemClock
from touchline.errors import failure_in_words
from touchline.features import FeatureReader
from touchline.predictions.shared_spool import SharedSpool
from touchline.registry import LoadedRelease
from touchline.rollout import Routing
from touchline.serving.predicting.batching import batching_pays, is_slow
from touchline.serving.predicting.grouped_requests import Waiting
from touchline.serving.predicting.predict import Predictor
from touchline.serving.predicting.scored_row import FeatureReads
from touchline.serving.predicting.traffic import Traffic
from touchline.serving.releases.feature_state import FeatureState, read_feature_states
from touchline.serving.releases.loading_marks import LoadingMarks
from touchline.serving.telemetry.metrics import Meter

if TYPE_CHECKING:
    from touchline.features import SkewProof

_log = logging.getLogger("touchline.serving.releases.release_slot")

OpenReader = Callable[[LoadedRelease], FeatureReads | None]
_FEATURES_SECONDS = 2.0
_FIRST_RETRY_SECONDS = 2.0
_LONGEST_RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class Head:
    """The state of the journal: its newest entry, the release in Production and the one before.

    `beside` are the releases whose fields a request may bring too, `routing` is that of the rollout that runs.
    `lost_changes` counts later entries that have a copy, but that the database does not have any more.
    """

    sequence: int
    production: str | None
    previous: str | None = None
    lost_changes: int = 0
    routing: Routing | None = None
    beside: tuple[str, ...] = ()


class ReleaseSource(Protocol):
    """A source of releases. `head` is called several times a second, so it is cheap."""

    def head(self) -> Head: ...

    def load(self, release_id: str) -> LoadedRelease:
        """The verified release; raises whatever is wrong with it."""


@dataclass(frozen=True)
class Refused:
    """A release that should answer but does not load."""

    release_id: str
    reason: str
    at: datetime


class ReleaseSlot:
    """One project's releases in this process: the one that answers, and the one before, still warm.

    `refresh` blocks (database, disk) and belongs in a thread; requests only read `current` and `now()`.
    """

    def __init__(
        self,
        project: str,
        source: ReleaseSource,
        clock: Clock,
        open_reader: OpenReader,
        *,
        is_store_remote: bool = False,
    ) -> None:
        self.project = project
        self.current: Predictor | None = None
        self.previous: Predictor | None = None
        self.refused: Refused | None = None
        self.head: Head | None = None
        self.meter = Meter(project)
        self.unreachable: str | None = None
        self.waiting: Waiting | None = None
        self.traffic: Traffic | None = None
        self.refused_candidate: Refused | None = None
        self.record: Callable[[bytes], None] = lambda _: None
        self.shadow: SharedSpool | None = None
        self.marks: LoadingMarks | None = None
        self.may_wait: Callable[[], bool] = lambda: self.shadow is not None and self.shadow.has_room
        self.features: tuple[FeatureState, ...] = ()
        self._features_read_at, self._store_failures = -_FEATURES_SECONDS, 0
        self.skew_proof: Callable[[str], SkewProof | None] = lambda _: None
        self._is_store_remote = is_store_remote
        self._source, self._clock, self._open_reader = source, clock, open_reader
        self._is_system_time = isinstance(clock, SystemClock)
        self._instant: datetime | None = None
        self._read_by: tuple[str, ...] = ()  # the releases whose fields requests may have
        self._retry_at, self._retry_seconds = 0.0, _FIRST_RETRY_SECONDS

    def now(self) -> datetime:
        """Project time. A stored clock is read by `refresh`, so that no request waits for the database."""
        if self._is_system_time or self._instant is None:
            return self._clock.now()
        return self._instant

    def wall(self) -> datetime:
        return self._clock.wall()

    def instants(self) -> tuple[datetime, datetime]:
        """Project time and wall time, of one look at the clock where they are the same."""
        if self._is_system_time:
            instant = datetime.now(UTC)
            return instant, instant
        return self.now(), self.wall()

    def move_to(self, instant: datetime) -> None:
        """Move a clock that stands still, for all processes."""
        self._clock.move_to(instant)

    def refresh(self) -> bool:
        """Follow the journal; True when another release answers from now on."""
        try:
            if not self._is_system_time:
                self._instant = self._clock.now()
            head = self._source.head()
            self.unreachable = None
        except Exception as away:  # noqa: BLE001  whatever the database raises, the loaded release goes on
            if self.unreachable is None:
                _log.warning("%s: the journal cannot be read, the loaded release goes on: %s", self.project, away)
            self.unreachable = failure_in_words(away)[:300]
            return False
        is_refused = self.refused is not None or self.refused_candidate is not None
        if head == self.head and (not is_refused or time.monotonic() < self._retry_at):
            return False
        self.head = head
        has_changed = self._follow(head)
        self._follow_rollout(head.routing)
        return has_changed

    def check_features(self) -> None:
        """Look, every few seconds, whether the online store holds what the release reads."""
        current, now = self.current, time.monotonic()
        if current is None or now - self._features_read_at < _FEATURES_SECONDS:
            return
        self._features_read_at = now
        before = {state.view: state.status for state in self.features}
        reader = current.reader
        self.features = ()
        if isinstance(reader, FeatureReader):
            failures = reader.counters.failures
            self.features = read_feature_states(reader, self.now(), failing=failures > self._store_failures)
            self._store_failures = failures
        for state in self.features:
            if state.status in ("emptied", "unreachable", "dropping") and before.get(state.view) != state.status:
                _log.error("%s: the features of view %s are %s", self.project, state.view, state.status)

    @property
    def lacks_features(self) -> bool:
        """Whether requests by key are refused: the store cannot give the values of a view, and nothing stands in."""
        return any(state.status in ("emptied", "unreachable") and not state.has_stand_in for state in self.features)

    def find_loaded(self, release_id: str) -> Predictor | None:
        """The predictor of a release that is loaded: in Production, before it, or a rollout's candidate."""
        traffic = self.traffic
        loaded = (self.current, self.previous, None if traffic is None else traffic.candidate)
        return next((one for one in loaded if one is not None and one.release.id == release_id), None)

    def open_predictor(self, release_id: str) -> Predictor:
        """The predictor of a release, loaded if it is not yet."""
        return self.find_loaded(release_id) or self._load_marked(release_id)

    def warm_previous(self) -> None:
        """Load the release a rollback would return to, if it is not loaded yet."""
        wanted = self.head.previous if self.head else None
        if wanted is None or (self.previous is not None and self.previous.release.id == wanted):
            return
        try:
            self.previous = self._load_marked(wanted)
        except Exception as wrong:  # noqa: BLE001  a bundle may fail in any way; the release that answers is not touched
            _log.warning("%s: the previous release %s does not load: %s", self.project, wanted, wrong)

    def _follow(self, head: Head) -> bool:
        wanted, current = head.production, self.current
        if wanted is None:
            self.current, self.previous, self.refused = None, current or self.previous, None
            return current is not None
        if current is not None and current.release.id == wanted:
            self.refused = None
            self._read_beside(current, head)
            return False
        try:
            ready = self.find_loaded(wanted) or self._load(wanted)
        except Exception as wrong:  # noqa: BLE001  a bundle may fail in any way, and none may take the server down
            self._refuse(wanted, wrong)
            return False
        self._read_beside(ready, head)
        # One assignment: a request sees the old release or the new one, never half of each.
        self.waiting = self._waiting_of(ready)
        self.current = ready
        self.previous = current or self.previous
        self.refused, self._retry_seconds = None, _FIRST_RETRY_SECONDS
        self._store_failures = 0
        self.features, self._features_read_at = (), -_FEATURES_SECONDS  # another release reads other views
        self.meter.swaps += 1
        _log.info("%s: release %s (version %d) answers", self.project, wanted, ready.release.version)
        return True

    def _read_beside(self, predictor: Predictor, head: Head) -> None:
        """Let requests of a release bring the fields of those beside it, too."""
        wanted = (predictor.release.id, *head.beside)
        if wanted == self._read_by:
            return
        releases = []
        for release_id in head.beside:
            try:
                if (loaded := self.find_loaded(release_id)) is not None:
                    releases.append(loaded.release)
                    continue
                with self._marked(release_id):
                    releases.append(self._source.load(release_id))
            except Exception as wrong:  # noqa: BLE001  a bundle may fail in any way, and none may take the server down
                _log.warning("%s: requests cannot bring the fields of %s: %s", self.project, release_id, wrong)
        predictor.requests = predictor.requests.beside([one for one in releases if one is not predictor.release])
        self._read_by = wanted

    def _follow_rollout(self, routing: Routing | None) -> None:
        """Route requests as the rollout says. Where its reference does not answer, or its candidate does not load,
        Production answers alone.
        """
        current, before = self.current, self.traffic
        if routing is None or current is None or current.release.id != routing.reference:
            self.traffic = self.refused_candidate = None
            return
        if before is not None and before.routing == routing and before.production is current:
            return
        try:
            candidate = self.open_predictor(routing.candidate)
        except Exception as wrong:  # noqa: BLE001  a bundle may fail in any way, and none may take the server down
            self.traffic = None
            _log.error(
                "%s: candidate %s is refused, Production answers alone: %s", self.project, routing.candidate, wrong
            )
            self.refused_candidate = self._refusal(routing.candidate, wrong)
            return
        self.refused_candidate = None
        needs_thread = routing.is_split and _may_be_slow(candidate.release)
        self.traffic = Traffic(routing, current, candidate, self.record, self.may_wait, needs_thread=needs_thread)
        _log.info("%s: rollout %s: %s, %d %%", self.project, routing.experiment, routing.mode, routing.share)

    def _waiting_of(self, ready: Predictor) -> Waiting | None:
        """The micro-batcher for slow steps, where batching pays. Threads of the previous one end after its batch."""
        if self.waiting is not None:
            self.waiting.close()
        scores = batching_pays(ready.release.model, len(ready.release.columns))
        reads = self._is_store_remote and bool(ready.release.views)
        return Waiting(ready, reads=reads, scores=scores) if scores or reads else None

    def _marked(self, release_id: str) -> AbstractContextManager[None]:
        """Around a load that is not of the release in Production: one that ends this process is not tried for ever."""
        return nullcontext() if self.marks is None else self.marks.loading(release_id)

    def _load_marked(self, release_id: str) -> Predictor:
        with self._marked(release_id):
            return self._load(release_id)

    def _load(self, release_id: str) -> Predictor:
        release = self._source.load(release_id)
        predictor = Predictor(release, self._open_reader(release), like=self.current)
        predictor.warm_up()
        return predictor

    def _refuse(self, release_id: str, wrong: Exception) -> None:
        _log.error("%s: release %s is refused, the current one stays: %s", self.project, release_id, wrong)
        self.meter.refused += 1
        self.refused = self._refusal(release_id, wrong)

    def _refusal(self, release_id: str, wrong: Exception) -> Refused:
        self._retry_at = time.monotonic() + self._retry_seconds
        self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
        return Refused(release_id, f"{type(wrong).__name__}: {wrong}"[:500], self._clock.wall())


def _may_be_slow(release: LoadedRelease) -> bool:
    """Whether a release takes long for a row; one that fails on the row that is tried may."""
    try:
        return is_slow(release.model, len(release.columns))
    except Exception:  # noqa: BLE001  whatever a person's model raises, its rollout counts it
        return True
