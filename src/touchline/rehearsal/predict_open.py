"""The requests of a rehearsal: each open example is predicted at its cutoff, by the release that serving would use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

import orjson

from touchline.automation import PipelineContext
from touchline.features import FeatureReader, open_reader
from touchline.predictions import OpenExample, OpenExampleRecords
from touchline.predictions.database_writer import DatabaseWriter
from touchline.registry import LoadedRelease, Releases, declared_families
from touchline.rollout import RolloutRecords
from touchline.serving import JournalReleases, ShadowWriter
from touchline.serving.predicting.answered import Answered
from touchline.serving.predicting.predict import NewId, Predictor
from touchline.serving.predicting.scored_row import RequestContext
from touchline.serving.releases.release_slot import ReleaseSlot
from touchline.storage.ulids import first_ulid_letters

_ROWS_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Predicted:
    """The answer to one example: the version that answered, and its probabilities or value."""

    example_id: str
    version: int
    output: tuple[float, ...]


class OpenPredictor:
    """Serving without HTTP: the slot that follows journal and rollouts, its predictor, and the log's own writer."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context
        stores, project = context.stores, context.project
        families = declared_families(project.training)
        rollouts = RolloutRecords(stores.database, project.name)
        source = JournalReleases(project.name, stores.journal, Releases(stores, lambda _: families), rollouts=rollouts)
        self._slot = ReleaseSlot(project.name, source, stores.clock, self._open_reader)
        self._lines: list[bytes] = []
        self._slot.record, self._slot.may_wait = self._lines.append, lambda: True
        self._writer = DatabaseWriter(stores.database)
        self._shadow = ShadowWriter(project.name, self._slot.open_predictor, self._writer)
        self._records = OpenExampleRecords(stores.database, project.name)

    def predict(self, until: datetime) -> list[Predicted]:
        """Predict the open examples whose cutoff lies before an instant, each at its cutoff; the clock moves along."""
        slot, clock = self._slot, self._context.clock
        slot.refresh()
        if slot.current is None:
            return []
        predicted: list[Predicted] = []
        coming = self._records.read(after=clock.now(), before=until)
        for cutoff, group in groupby(coming, key=lambda one: one.cutoff):
            clock.move_to(cutoff)
            slot.refresh()
            examples, new_id = list(group), _ids_at(cutoff)
            context = RequestContext(new_id(), None, cutoff, cutoff)
            for start in range(0, len(examples), _ROWS_AT_ONCE):
                some = examples[start : start + _ROWS_AT_ONCE]
                predicted += self._predict_some(slot.current, some, context, new_id)
        self._writer.write(self._lines)
        self._lines.clear()
        return predicted

    def _predict_some(
        self, predictor: Predictor, examples: list[OpenExample], context: RequestContext, new_id: NewId
    ) -> Iterator[Predicted]:
        rows, _ = predictor.requests.read_body(_body(predictor, examples), len(examples))
        traffic = self._slot.traffic
        if traffic is not None and traffic.routing.is_split:
            answered = traffic.answer(rows, context, new_id)
        else:
            answered = predictor.answer(rows, context, new_id)
        if traffic is not None and not traffic.routing.is_split:
            traffic.shadow(rows, context, answered, new_id)
        lines = [one.line for one in answered]
        self._lines += lines
        self._shadow.write(lines)  # at this time: features are those of the cutoff
        version = predictor.release.version
        return (_predicted(example, one, version) for example, one in zip(examples, answered, strict=True))

    def _open_reader(self, release: LoadedRelease) -> FeatureReader | None:
        if not release.views:
            return None
        stores = self._context.stores
        views = {view.name: view for view in self._context.project.feature_views}
        return open_reader(release, online=stores.online, stores=stores, clock=stores.clock, declared=lambda: views)


def _body(predictor: Predictor, examples: list[OpenExample]) -> bytes:
    """The request that names these examples, with the keys and inputs that serving takes from them."""
    fields = predictor.requests.example_fields
    return orjson.dumps(
        [
            {
                **{name: value for name, value in {**one.inputs, **one.entity_keys}.items() if name in fields},
                "example_id": one.example_id,
                "cutoff": one.cutoff,
            }
            for one in examples
        ]
    )


def _predicted(example: OpenExample, answered: Answered, version: int) -> Predicted:
    output = tuple(answered.scored.output)
    return Predicted(example.example_id, answered.version or version, output)


def _ids_at(instant: datetime) -> Callable[[], str]:
    """Ids that sort by project time and are the same in every run of a rehearsal."""
    letters, numbers = first_ulid_letters(instant), iter(range(1, 10**9))
    return lambda: f"{letters}{next(numbers):016d}"
