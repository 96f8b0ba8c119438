"""The losses of a finished policy run: of its answers, and of every model that it trained in all later steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.automation import steps
from touchline.features import frame_vectors
from touchline.registry import declared_families, read_version
from touchline.training import loss_rows
from touchline.training.fitting.model import Model

if TYPE_CHECKING:
    from touchline.automation import PipelineContext
    from touchline.registry import ModelVersion

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolicyScores:
    """The losses of one policy. Steps are counted from the first one with a model in Production.

    `answers[w]` is the sum of the losses of the answers of step w, `rows[w]` their number. `models[i, w]` is the same
    of the model trained at step i, NaN where none was or w < i. `unsettled` counts answers without a label at the end;
    `skew` is the largest difference between a logged answer and what its model gives to the example afterwards.
    """

    first_step: int
    answers: Array
    rows: NDArray[np.int64]
    models: Array
    unsettled: int
    skew: float

    def write(self, path: Path) -> None:
        fields = {name: np.asarray(value) for name, value in vars(self).items()}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **fields)

    @classmethod
    def read(cls, path: Path) -> PolicyScores:
        with np.load(path, allow_pickle=False) as found:
            return cls(
                int(found["first_step"]),
                found["answers"],
                found["rows"],
                found["models"],
                int(found["unsettled"]),
                float(found["skew"]),
            )


def score_run(context: PipelineContext, lines: Sequence[dict[str, Any]]) -> PolicyScores:
    """Evaluate the answers and models of a run with the labels that are known at the clock's instant."""
    first = next((number for number, line in enumerate(lines) if line["predictions"]), len(lines))
    lines = lines[first:]
    frame = _examples(context)
    place_of = {example: place for place, example in enumerate(frame["example_id"].cast(pl.String))}
    answers = _Answers.of(lines, place_of)
    labels, score = _labels(context, frame), context.project.training.score_for(context.project.task.kind)
    is_settled = ~np.isnan(labels[answers.places])
    settled = answers.at(is_settled)
    losses = loss_rows(score, _coded(context, labels[settled.places]), settled.outputs)
    count = len(lines)
    models = np.full((count, count), np.nan)
    picked, skew = frame[settled.places], 0.0
    for step, version in _trained_versions(context, lines):
        later = settled.steps >= step
        predictions = _predict(context, version, picked.filter(pl.Series(later)))
        found = loss_rows(score, _coded(context, labels[settled.places[later]]), predictions)
        models[step, step:] = np.bincount(settled.steps[later] - step, weights=found, minlength=count - step)
        own = settled.versions[later] == version.version
        if own.any():
            skew = max(skew, float(np.abs(predictions[own] - settled.outputs[later][own]).max()))
    return PolicyScores(
        first,
        np.bincount(settled.steps, weights=losses, minlength=count).astype(np.float64),
        np.bincount(settled.steps, minlength=count).astype(np.int64),
        models,
        int((~is_settled).sum()),
        skew,
    )


@dataclass(frozen=True, eq=False)
class _Answers:
    """All answers of a run: the place of their example, their step, version and output."""

    places: NDArray[np.int64]
    steps: NDArray[np.int64]
    versions: NDArray[np.int64]
    outputs: Array

    @classmethod
    def of(cls, lines: Sequence[dict[str, Any]], place_of: dict[str, int]) -> _Answers:
        found = [
            (place_of[example], step, version, output)
            for step, line in enumerate(lines)
            for example, version, output in line["predictions"]
            if example in place_of
        ]
        width = len(found[0][3]) if found else 1
        places, steps, versions = (np.array([one[part] for one in found], dtype=np.int64) for part in range(3))
        return cls(places, steps, versions, np.array([one[3] for one in found], dtype=np.float64).reshape(-1, width))

    def at(self, mask: NDArray[np.bool_]) -> _Answers:
        return _Answers(self.places[mask], self.steps[mask], self.versions[mask], self.outputs[mask])


def _examples(context: PipelineContext) -> pl.DataFrame:
    """All examples with their features at their cutoff and the labels known by now."""
    snapshots = steps.current_snapshots(context)
    histories = steps.compute_features(context, snapshots)
    examples = steps.current_examples(context, snapshots)
    return steps.assemble_training_set(context, examples, snapshots=snapshots, histories=histories).frame


def _labels(context: PipelineContext, frame: pl.DataFrame) -> Array:
    """Labels as numbers (the place of a class); NaN where none is known by now."""
    task, is_open = context.project.task, frame["label"].is_null() | (frame["label_timestamp"] > context.clock.now())
    if task.type == "regression":
        numbers = frame["label"].cast(pl.Float64)
    else:
        places = {name: float(place) for place, name in enumerate(_classes(context, frame))}
        numbers = frame["label"].cast(pl.String).replace_strict(places, default=math.nan, return_dtype=pl.Float64)
    return numbers.zip_with(~is_open.fill_null(True), pl.Series([math.nan] * len(frame))).fill_null(math.nan).to_numpy()


def _classes(context: PipelineContext, frame: pl.DataFrame) -> tuple[str, ...]:
    return context.project.task.classes or tuple(sorted(frame["label"].drop_nulls().cast(pl.String).unique()))


def _coded(context: PipelineContext, labels: Array) -> NDArray[np.int64] | Array:
    return labels if context.project.task.type == "regression" else labels.astype(np.int64)


def _trained_versions(context: PipelineContext, lines: Sequence[dict[str, Any]]) -> list[tuple[int, ModelVersion]]:
    """The versions by the step that trained them; that in Production at the first step counts as trained there."""
    trained = {step: line["trained"] for step, line in enumerate(lines) if line["trained"] is not None}
    if lines:
        trained[0] = trained.get(0) or lines[0]["production"]
    return [
        (step, read_version(context.stores, context.project.name, number)) for step, number in sorted(trained.items())
    ]


def _predict(context: PipelineContext, version: ModelVersion, rows: pl.DataFrame) -> Array:
    families = declared_families(context.project.training)
    place = context.stores.objects.local_path(f"{version.object_key}/model/model.json").parent
    model = Model.restore(place, families)
    return model.predict(frame_vectors(model.columns, rows))
