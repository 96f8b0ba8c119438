"""A rollout whose predictions and outcomes a test makes up, over a real database, real releases and a moved clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.databases import a_database
from tests.predictions.builders import a_row, write_rows
from tests.serving.bundles import PROJECT, a_model
from tests.serving.bundles import Registry as Bundles
from touchline.clock import FrozenClock
from touchline.predictions import Outcome, OutcomeRecords
from touchline.registry import Journal, Move, Releases, read_version
from touchline.rollout import (
    Rollout,
    RolloutContext,
    RolloutRecords,
    RolloutReport,
    RolloutState,
    Routing,
    Starting,
    assign,
    check_rollout,
    report_on,
    start_holdout,
    start_rollout,
)
from touchline.storage import open_objects

START = datetime(2024, 1, 1, tzinfo=UTC)
FloatArray = NDArray[np.float64]


@dataclass
class TwoVersions:
    """A registry with version 1 in Production and version 2 in Staging, and the moves of a rollout as it made them."""

    folder: Path
    done: list[str] = field(default_factory=list)
    candidate_columns: int = 4

    def __post_init__(self) -> None:
        self.database = a_database(self.folder)
        self.objects = open_objects(str(self.folder / "objects"))
        self.clock = FrozenClock(START)
        bundles = Bundles(self.database, self.objects)
        columns = {1: 4, 2: self.candidate_columns}
        self.releases = {n: bundles.keep(n, a_model(seed=n, columns=count)) for n, count in columns.items()}
        for version, stage in ((1, "Production"), (2, "Staging")):
            self.move(version, stage)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.database, self.clock)

    @property
    def tracking(self) -> Any:
        raise AssertionError("no rollout reads MLflow itself")

    def move(self, version: int, stage: Any, *, actor: str = "test", reason: str = "test") -> None:
        state = self.journal.state(PROJECT)
        moves = [Move(version, state.stage(version), stage, reason, release_id=self.releases[version])]
        if stage == "Production" and state.production is not None:
            moves.append(Move(state.production, "Production", "Archived", "test"))
        self.journal.append(PROJECT, moves, expected=state.sequence, actor=actor)

    def promote(self, version: int, reason: str) -> None:
        self.done.append(f"promote {version}: {reason}")
        self.move(version, "Production")

    def roll_back(self, reason: str) -> None:
        self.done.append(f"roll back: {reason}")
        target = self.journal.state(PROJECT).rollback
        assert target is not None
        self.move(target, "Production")


@dataclass
class Life(TwoVersions):
    """A rollout of these; `a_day` predicts, moves the clock by a day, and tells outcomes."""

    seed: int = 1
    count: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rng = np.random.default_rng(self.seed)

    @property
    def context(self) -> RolloutContext:
        return RolloutContext(self, PROJECT, self)

    def start(self, declared: Rollout, version: int = 2) -> RolloutState:
        record = read_version(self, PROJECT, version)
        return start_rollout(self, Releases(self), record, declared, self._starting)

    @property
    def _starting(self) -> Starting:
        """With a salt of its own for each rollout, so that no test hangs on a random split."""
        return Starting("tests", salt=f"tests-{len(self.records.read()) + 1}")

    def hold_out(self, declared: Rollout) -> RolloutState:
        """Version 2 has gone live as a refresh of version 1."""
        self.move(2, "Production")
        live, before = (read_version(self, PROJECT, version) for version in (2, 1))
        return start_holdout(self, live, before, declared, self._starting)

    def check(self) -> RolloutReport | None:
        return check_rollout(self.context)

    def report(self) -> RolloutReport:
        state = self.records.newest()
        assert state is not None
        return report_on(self.database, PROJECT, state, self.clock.now())

    @property
    def records(self) -> RolloutRecords:
        return RolloutRecords(self.database, PROJECT)

    @property
    def ended(self) -> str | None:
        state = self.records.newest()
        return None if state is None or state.end is None else state.end.kind

    def a_day(self, rows: int, *, candidate: FloatArray, production: FloatArray, truth: FloatArray) -> None:
        """Predictions of today and their outcomes tomorrow; probabilities of "yes" by row."""
        labels = self.rng.random(rows) < truth
        examples = self.predict(candidate, production)
        self.clock.instant += timedelta(days=1)
        self.tell([(example, "yes" if label else "no") for example, label in zip(examples, labels, strict=True)])

    def predict(
        self, candidate: FloatArray, production: FloatArray, *, units: Sequence[str] = (), examples: Sequence[str] = ()
    ) -> list[str]:
        """Log predictions as the server does, each of an example of its own unless these are named; the examples."""
        state = self.records.running()
        routing = state.routing if state else None
        rows, names = [], []
        for place, (new, old) in enumerate(zip(candidate.tolist(), production.tolist(), strict=True)):
            self.count += 1
            example = examples[place] if examples else f"e{self.count}"
            unit = units[place] if units else f"u{self.count}"
            names.append(example)
            rows += self._rows(routing, example, unit, (new, old))
        write_rows(self.database, rows)
        return names

    def _rows(self, routing: Routing | None, example: str, unit: str, chances: tuple[float, float]) -> list[Any]:
        now, identity = self.clock.now(), f"{self.count:026d}"
        new, old = ({"probabilities": {"no": 1 - chance, "yes": chance}} for chance in chances)
        same = {"project": PROJECT, "example_id": example, "cluster": f"{now:%Y-%m-%d}", "cutoff": now}
        if routing is None:
            return [a_row(identity, **same, output=old)]
        tags: dict[str, Any] = {"experiment": routing.experiment, "salt": routing.salt, "unit": unit}
        if not routing.is_split:
            shadow = a_row(
                f"{identity}s", **same, **tags, role="shadow", variant="candidate", answer_id=identity, output=new
            )
            return [a_row(identity, **same, output=old), shadow]
        drawn = assign(routing, unit)
        tags |= {"variant": drawn.variant, "probability": drawn.probability, "seconds": 0.001}
        mine, others = (new, old) if drawn.variant == "candidate" else (old, new)
        other = "production" if drawn.variant == "candidate" else "candidate"
        answer = a_row(identity, **same, **tags, output=mine)
        beside = a_row(
            f"{identity}s", **same, **{**tags, "variant": other}, role="shadow", answer_id=identity, output=others
        )
        return [answer, beside] if routing.has_shadow else [answer]

    def tell(self, labels: Sequence[tuple[str, str]]) -> None:
        received = [Outcome(label, example_id=example) for example, label in labels]
        OutcomeRecords(self.database, PROJECT).record(received, source="tests", now=self.clock.now())
