"""A version under new class shares: its parent's model with one correction more, registered as a version of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl

from touchline.features import decode
from touchline.features.declaration.code_versions import short_hash
from touchline.registry.gates.recalibrated_rows import RecalibratedRows, recalibrated_rows
from touchline.registry.journal.versions import (
    MetricValue,
    ModelVersion,
    Registry,
    add_version,
    find_version,
    read_version,
)
from touchline.registry.release.families import families_of
from touchline.registry.release.manifest import ReleaseManifest
from touchline.registry.release.self_test import StoredExamples
from touchline.registry.release.transforms import TRANSFORMS, store_inputs
from touchline.registry.runs.file_list import write_file_list
from touchline.registry.runs.mlflow_copies import write_mlflow_hashes
from touchline.registry.runs.record import Recorded
from touchline.registry.runs.run_files import metric_record, npz_bytes, to_json
from touchline.registry.runs.semantic_version import next_semantic_version
from touchline.registry.runs.tracking import LoggedRun, RunLog
from touchline.storage import parquet_bytes
from touchline.training import Card, ClassShares, Family, Model, Section, Table

_DOCUMENT: Final = "recalibration.json"
_COPIED: Final = ("model/", "code/", f"{TRANSFORMS}/", "plots/", "contract.schema.json", "recipe.json")
_NOTE: Final = "class shares"


@dataclass(frozen=True)
class Recalibration:
    """New class shares of a version in Production, and what they rest on.

    `shares` correct the predictions of `parent` as served. `estimate` says in plain JSON which rows they come from;
    `since_on` (a day, ISO 8601) is the first of these rows. `has_ordered_classes` is declared by the task.
    """

    parent: ModelVersion
    shares: ClassShares
    since_on: str
    estimate: Mapping[str, Any]
    actor: str
    reason: str
    has_ordered_classes: bool = False
    families: Mapping[str, Family] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The lineage of the version, as it is stored."""
        return {
            "recalibrates": self.parent.version,
            "release_id": self.parent.release_id,
            "shares": self.shares.to_json(),
            "since_on": self.since_on,
            "estimate": dict(self.estimate),
            "actor": self.actor,
            "reason": self.reason,
        }


def read_recalibration(registry: Registry, version: ModelVersion) -> dict[str, Any]:
    """The lineage that `Recalibration.to_json` wrote for a recalibrated version."""
    document: dict[str, Any] = json.loads(registry.objects.read(f"{version.object_key}/{_DOCUMENT}"))
    return document


def record_recalibration(registry: Registry, recalibration: Recalibration) -> Recorded:
    """Register the parent's model under the new shares; no stage changes.

    The same estimate recorded twice is one version. Raises `NotEvaluated` where the parent's test rows or their places
    in its profile are not stored.
    """
    parent = recalibration.parent
    key = short_hash([parent.project, parent.object_key, recalibration.shares.to_json(), recalibration.since_on])
    object_key = f"{parent.project}/runs/{key}"
    if (number := find_version(registry, parent.project, object_key)) is not None:
        return Recorded(read_version(registry, parent.project, number), is_new=False)
    shares, is_ordered = recalibration.shares, recalibration.has_ordered_classes
    rows = recalibrated_rows(registry, parent, shares, has_ordered_classes=is_ordered)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        run = _Run(registry, recalibration, rows, key, object_key)
        run.write(folder)
        logged = registry.tracking.log_run(run.log(folder))
        write_mlflow_hashes(registry, object_key, logged)
    add_version(registry, parent.project, logged.version, lambda last: run.version(logged, last or parent))
    return Recorded(read_version(registry, parent.project, logged.version), is_new=True)


@dataclass(frozen=True, eq=False)
class _Run:
    """A recalibration on its way into the registry."""

    registry: Registry
    recalibration: Recalibration
    rows: RecalibratedRows
    key: str
    object_key: str

    @property
    def parent(self) -> ModelVersion:
        return self.recalibration.parent

    def write(self, folder: Path) -> None:
        """The parent's files, with those that the shares change written anew, in the folder and in the registry."""
        parent, objects = self.parent, self.registry.objects
        prefix = f"{parent.object_key}/"
        names = [key.removeprefix(prefix) for key in objects.list(prefix)]
        files = {name: objects.read(prefix + name) for name in names if name.startswith(_COPIED)}
        record = json.loads(files["model/model.json"])
        shares = self.recalibration.shares
        if record.get("shares"):
            shares = ClassShares.from_json(record["shares"]).followed_by(shares)
        files["model/model.json"] = to_json({**record, "shares": shares.to_json()})
        _write(folder, files)
        _write(folder, {**self._documents(), **self._examples(folder)})
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            objects.write_file(f"{self.object_key}/{path.relative_to(folder).as_posix()}", path)
        write_file_list(objects, self.object_key)

    def _model(self, folder: Path) -> Model:
        return Model.restore(folder / "model", families_of(folder / "model", self.recalibration.families))

    def _examples(self, folder: Path) -> dict[str, bytes]:
        """The rows of the self-test with the outputs under the new shares."""
        model = self._model(folder)
        examples = StoredExamples.read(self.registry.objects.local_path(self.parent.object_key))
        outputs = model.predict(examples.vectors)
        readable = pl.DataFrame(decode(model.columns, examples.vectors), infer_schema_length=None)
        said = [pl.Series(f"output_{name}", outputs[:, place]) for place, name in enumerate(model.outputs)]
        inputs = store_inputs(examples.inputs)
        return {
            "examples.npz": npz_bytes(vectors=examples.vectors, outputs=outputs, **inputs),
            "examples.parquet": parquet_bytes(readable.with_columns(said)),
        }

    def _documents(self) -> dict[str, bytes]:
        read, parent = self.registry.objects.read, self.parent
        lineage = self.recalibration.to_json()
        facts = ReleaseManifest.from_bytes(read(f"{parent.object_key}/facts.json"))
        metrics = self._finite_metrics
        calibrator = facts.calibrator if _NOTE in facts.calibrator else f"{facts.calibrator}, {_NOTE}"
        facts = dataclasses.replace(facts, metrics=metrics, hashes=self._hashes, calibrator=calibrator)
        stored = json.loads(read(f"{parent.object_key}/lineage.json"))
        return {
            _DOCUMENT: to_json(lineage),
            "facts.json": facts.to_bytes(),
            "lineage.json": to_json({**stored, "recalibration": lineage}),
            "evaluation.json": to_json(self._evaluation()),
            "predictions.parquet": parquet_bytes(self.rows.frame),
            "profile.npz": npz_bytes(**self.rows.profile.to_arrays()),
            **self._card(),
        }

    @property
    def _finite_metrics(self) -> dict[str, float]:
        return {name: metric.value for name, metric in self.rows.metrics.items() if isfinite(metric.value)}

    @property
    def _hashes(self) -> dict[str, str]:
        return {**self.parent.hashes, "class_shares": short_hash(self.recalibration.shares.to_json())}

    def _evaluation(self) -> dict[str, Any]:
        return {
            "rows": self.rows.frame.height,
            "clusters": self.rows.clusters,
            "metrics": metric_record(self.rows.metrics),
            "baseline": metric_record(self.rows.baseline),
            "recalibration": self.recalibration.to_json(),
        }

    def _card(self) -> dict[str, bytes]:
        """The parent's card, with what the recalibration changes before it."""
        parent, shares = self.parent, self.recalibration.shares
        changes = Table(
            ("class", "share before", "share now"),
            tuple(
                (name, f"{before:.2%}", f"{now:.2%}")
                for name, before, now in zip(parent.classes, shares.before, shares.now, strict=True)
            ),
        )
        metrics = Table(
            ("metric", "value", "95 % interval"),
            tuple(
                (name, f"{one.value:.4g}", f"{one.low:.4g} to {one.high:.4g}" if one.low is not None else "")
                for name, one in self.rows.metrics.items()
            ),
        )
        text = (
            f"The model of version {parent.version}, recalibrated for the class shares since "
            f"{self.recalibration.since_on} ({self.recalibration.reason}). The figures of the next table are those of "
            f"{self.rows.frame.height} test rows thinned to these shares; all others below are those of version "
            f"{parent.version}."
        )
        section = Card("", (Section("Recalibration", (text, changes, metrics)),))
        read = self.registry.objects.read
        markdown, html = (read(f"{parent.object_key}/card.{kind}").decode() for kind in ("md", "html"))
        title, _, rest = markdown.partition("\n")
        added = section.to_markdown().removeprefix("# \n").strip()
        inner = section.to_html().partition("</h1>")[2].partition("</body>")[0]
        return {
            "card.md": f"{title}\n\n{added}\n{rest}".encode(),
            "card.html": html.replace("</h1>", f"</h1>{inner}", 1).encode(),
        }

    def log(self, folder: Path) -> RunLog:
        """The run as MLflow shows it."""
        parent, registry, shares = self.parent, self.registry, self.recalibration.shares
        artifacts = folder.parent / "artifacts"
        documents = {name: (folder / name).read_bytes() for name in (_DOCUMENT, "evaluation.json")}
        _write(artifacts, {**documents, **self._card()})
        params = {f"class_share.{name}": f"{now:.6g}" for name, now in zip(parent.classes, shares.now, strict=True)}
        return RunLog(
            project=parent.project,
            key=self.key,
            name=f"{parent.name} recalibrated from version {parent.version}",
            params={"recalibrates": str(parent.version), "candidate": parent.name, **params},
            metrics=self._finite_metrics,
            tags={
                **{f"touchline.{name}_hash": value for name, value in self._hashes.items()},
                "touchline.project": parent.project,
                "touchline.recalibrates": str(parent.version),
                "mlflow.source.name": "touchline monitor recalibrate",
                "mlflow.user": self.recalibration.actor,
            },
            model=self._model(folder),
            example=StoredExamples.read(folder).vectors[:5].tolist(),
            files=artifacts,
            dataset={
                "name": f"{parent.project} training set",
                "digest": parent.training_set_hash,
                "source": f"{parent.project}/training_sets/{parent.training_set_hash}.parquet",
                "rows": str(self.rows.frame.height),
            },
            ended_at_ms=int(registry.clock.wall().timestamp() * 1000),
            seconds=0.0,
            description=(
                f"{parent.project}: the model of version {parent.version} for new class shares, "
                f"{self.recalibration.estimate.get('message', '')} Registered by touchline."
            ),
        )

    def version(self, logged: LoggedRun, last: ModelVersion) -> ModelVersion:
        """The version as a successor of the newest one. Its model learned what its parent's has, and when."""
        version = dataclasses.replace(
            self.parent,
            version=logged.version,
            run_id=logged.run_id,
            object_key=self.object_key,
            hashes=self._hashes,
            metrics=_values(metric_record(self.rows.metrics)),
            baseline=_values(metric_record(self.rows.baseline)),
            rows=self.rows.frame.height,
            clusters=self.rows.clusters,
            ticket=None,
            recalibrates=self.parent.version,
            stage="None",
            release_id=None,
        )
        semantic = next_semantic_version(last.semantic_version, last, version)
        return dataclasses.replace(version, semantic_version=semantic)


def _values(record: Mapping[str, Mapping[str, float | None]]) -> dict[str, MetricValue]:
    return {name: MetricValue(**metric) for name, metric in record.items()}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
