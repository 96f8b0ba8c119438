"""Real release bundles in a real registry, made without a training: for swaps, replays and measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from tests.databases import a_database
from touchline.clock import SystemClock
from touchline.features import ColumnSpec, OnlineStore, ServedView
from touchline.features.vectors.watermark import ViewMetadata, micros
from touchline.registry import Journal, Move, ReleaseManifest, Releases
from touchline.registry.release.digest import DIGEST_FILE, digest_of, file_hashes
from touchline.registry.release.loaded_release import release_id
from touchline.rollout import Experiment, Guardrail, RolloutEvent, RolloutRecords, RolloutRule, Side
from touchline.rollout.routing import RoutingMode
from touchline.serving import JournalReleases
from touchline.storage import Database, ObjectStore, open_objects
from touchline.storage.tables import model_versions, releases
from touchline.training import Family, Model
from touchline.training.estimators.base import FitRequest, FitRows, Fitted, Params
from touchline.training.estimators.linear import LogisticFamily
from touchline.training.fitting.model import find_family
from touchline.training.fitting.preparation import fit_preparation

PROJECT = "bench"
CLASSES = ("no", "yes")


@dataclass(frozen=True)
class Strict:
    """A fitted estimator that raises for values far outside its training rows, as a careful person's might."""

    fitted: Fitted
    settled: Params = field(default_factory=dict)

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        if (np.abs(matrix) > _FAR).any():
            raise ValueError(f"a value is more than {_FAR} standard deviations from the training rows")
        return self.fitted.predict(matrix)

    def export(self, folder: Path) -> None:
        self.fitted.export(folder)


class StrictFamily(LogisticFamily):
    """A family that only this project has."""

    name = "strict"

    def fit(self, request: FitRequest) -> Fitted:
        return Strict(super().fit(request))

    def restore(self, folder: Path) -> Fitted:
        return Strict(super().restore(folder))


_FAR = 20
STRICT = StrictFamily()
FAMILIES: dict[str, Family] = {STRICT.name: STRICT}


@dataclass(frozen=True)
class Registry:
    """A database and objects that hold releases of one project."""

    database: Database
    objects: ObjectStore

    @classmethod
    def open(cls, home: Path, *, url: str | None = None) -> Registry:
        database = Database.open(url) if url else a_database(home)
        database.migrate()
        return cls(database, open_objects(str(home / "objects")))

    def source(self) -> JournalReleases:
        journal, rollouts = Journal(self.database, SystemClock()), RolloutRecords(self.database, PROJECT)
        return JournalReleases(PROJECT, journal, Releases(self, lambda _: FAMILIES), rollouts=rollouts)

    def promote(self, version: int, release: str) -> None:
        """Put a version into Production and the one that was there into the archive."""
        journal = Journal(self.database, SystemClock())
        state = journal.state(PROJECT)
        moves = [Move(version, state.stage(version), "Production", "test", release_id=release)]
        if state.production is not None:
            moves.append(Move(state.production, "Production", "Archived", "test"))
        journal.append(PROJECT, moves, expected=state.sequence, actor="test")

    def start_rollout(self, mode: RoutingMode, *, share: int = 0) -> Experiment:
        """A rollout of version 2, which goes to Staging, beside version 1, in Production."""
        with self.database.connect() as connection:
            found = {row.version: row.id for row in connection.execute(sa.select(releases))}
        journal = Journal(self.database, SystemClock())
        state = journal.state(PROJECT)
        staging = Move(2, state.stage(2), "Staging", "test", release_id=found[2])
        journal.append(PROJECT, [staging], expected=state.sequence, actor="test")
        rule = RolloutRule(mode, Side(2, found[2]), Side(1, found[1]), CLASSES, guardrails=(Guardrail.errors(),))
        now, project = datetime.now(UTC), PROJECT
        experiment = Experiment(project, 1, f"experiment-{mode}", "salt", rule, rule.hash, None, now, now, "test", "")
        first = RolloutEvent(project, 1, 1, "start", share, now, now, "test", "")
        RolloutRecords(self.database, project).start(experiment, first)
        return experiment

    def keep(
        self,
        version: int,
        model: Model,
        *,
        example: dict[str, Any] | None = None,
        views: tuple[ServedView, ...] = (),
        families: Mapping[str, Family] | None = None,
    ) -> str:
        """Write a bundle and its records; its id. With views, all columns come from them."""
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            digest = write_bundle(folder, version, model, example, views, families)
            found = release_id(PROJECT, version, digest)
            key = f"{PROJECT}/releases/{found}"
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                self.objects.write_file(f"{key}/{path.relative_to(folder).as_posix()}", path)
        with self.database.begin() as connection:
            connection.execute(
                sa.insert(releases).values(
                    id=found, project=PROJECT, version=version, digest=digest, object_key=key, created_at=_NOW
                )
            )
            connection.execute(sa.insert(model_versions).values(_version_row(version, key)))
        return found


def a_model(
    family: str | Family = "logistic", *, columns: int = 4, rows: int = 400, seed: int = 1, **params: Any
) -> Model:
    """A model of number columns x0, x1, …, fitted on made-up rows."""
    specs = tuple(ColumnSpec(f"x{index}", "number") for index in range(columns))
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, columns))
    labels = (vectors[:, :3].sum(axis=1) + random.normal(size=rows) > 0).astype(np.int64)
    found = find_family(family) if isinstance(family, str) else family
    preparation = fit_preparation(found.layout, specs, vectors)
    fit = FitRows(preparation.transform(vectors), labels)
    request = FitRequest("binary", 2, fit, None, {**found.defaults("binary"), **params}, seed)
    return Model("binary", CLASSES, specs, found.name, preparation, found.fit(request))


def a_request(columns: int = 4, seed: int = 2) -> dict[str, float]:
    random = np.random.default_rng(seed)
    return {f"x{index}": round(float(value), 6) for index, value in enumerate(random.normal(size=columns))}


def a_stats_view(columns: Sequence[ColumnSpec]) -> ServedView:
    """A view that holds all columns of a model, by one key."""
    fields = tuple((column.name, "float") for column in columns)
    return ServedView(PROJECT, "customer_stats", "v1", "", ("customer_id",), ("customer_id",), ("str",), fields)


def write_stats(store: OnlineStore, columns: Sequence[ColumnSpec], *, customers: int = 10) -> None:
    """Rows of customers c0, c1, … in an online store."""
    view, random = a_stats_view(columns), np.random.default_rng(4)
    at, values = micros(datetime(2026, 1, 1, tzinfo=UTC)), random.normal(size=(customers, len(columns)))
    keys = [view.key({"customer_id": f"c{index}"}) for index in range(customers)]
    rows = ((key, view.layout.pack(at, at, row)) for key, row in zip(keys, values.tolist(), strict=True) if key)
    store.write(rows, {view.keys.metadata: ViewMetadata(view.layout.id, at, at).pack()})


def looked_up(model: Model) -> Model:
    """The model with columns that come from the view."""
    columns = tuple(replace(column, origin="view:customer_stats") for column in model.columns)
    return replace(model, columns=columns)


_NOW = datetime(2030, 1, 1, tzinfo=UTC)


def write_bundle(
    folder: Path,
    version: int,
    model: Model,
    example: dict[str, Any] | None = None,
    views: tuple[ServedView, ...] = (),
    families: Mapping[str, Family] | None = None,
) -> str:
    """A whole bundle in a folder; its digest."""
    model.export(folder / "model")
    restored = Model.restore(folder / "model", families)
    vectors = np.random.default_rng(3).normal(size=(20, len(model.columns)))
    np.savez(folder / "examples.npz", vectors=vectors, outputs=restored.predict(vectors))
    names = [] if views else [column.name for column in model.columns]
    number = {"type": "number", "minimum": -100, "maximum": 100}
    schema = {"type": "object", "properties": dict.fromkeys(names, number), "required": names}
    (folder / "contract.schema.json").write_text(json.dumps(schema))
    (folder / "lineage.json").write_text("{}")
    manifest = _manifest(version, model, example or {}, views, file_hashes(folder))
    (folder / "release.json").write_bytes(manifest.to_bytes())
    digest = digest_of(file_hashes(folder))
    (folder / DIGEST_FILE).write_text(digest + "\n", encoding="ascii")
    return digest


def _manifest(
    version: int, model: Model, example: dict[str, Any], views: tuple[ServedView, ...], files: Mapping[str, str]
) -> ReleaseManifest:
    return ReleaseManifest(
        project=PROJECT,
        version=version,
        semantic_version=f"{version}.0.0",
        run_id=f"run-{version}",
        task="binary",
        classes=model.classes,
        columns=model.columns,
        inputs=() if views else tuple(column.name for column in model.columns),
        views=views,
        on_demand=(),
        threshold=0.5,
        family=model.family,
        calibrator=model.calibrator.method,
        training_set_hash="set",
        trained_at=_NOW,
        metrics={},
        hashes={},
        libraries={},
        example=example,
        files=files,
    )


def _version_row(version: int, key: str) -> dict[str, Any]:
    return {
        "project": PROJECT,
        "version": version,
        "run_id": f"run-{version}",
        "name": PROJECT,
        "semantic_version": f"{version}.0.0",
        "training_set_hash": "set",
        "hashes": {},
        "task": "binary",
        "classes": list(CLASSES),
        "request_fields": [],
        "rows": 0,
        "clusters": 0,
        "object_key": key,
        "created_at": _NOW,
    }
