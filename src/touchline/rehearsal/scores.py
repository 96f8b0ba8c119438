"""The losses of a finished policy run: of its answers, and of every model that it trained in all later steps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from touchline.automation.runs import steps
from touchline.features import frame_vectors
from touchline.registry import declared_families, read_version
from touchline.training import loss_rows
from touchline.training.fitting.model import Model

if TYPE_CHECKING:
    from touchline.automation import PipelineContext
    from touchline.registry import ModelVersion

Array = NDArray[np.float64]
FOLDS: Final = 8
_FOLD_SEED: Final = 8


@dataclass(frozen=True, eq=False)
class PolicyScores:
    """The losses of one policy, by fold. Steps are counted from the first one with a model in Production.

    `folded_answers[f, w]` is the sum of the losses of the answers of step w in fold f, `folded_rows[f, w]` their
    number. `folded_models[f, i, w]` is the same of the model trained at step i, NaN where none was or w < i. Examples
    of one cluster share a fold. `unsettled` counts answers without a label at the end; `skew` is the largest
    difference between a logged answer and what its model gives to the example afterwards.
    """

    first_step: int
    folded_answers: Array
    folded_rows: NDArray[np.int64]
    folded_models: Array
    unsettled: int
    skew: float

    @cached_property
    def answers(self) -> Array:
        """The sum of the losses of each step's answers."""
        return np.asarray(self.folded_answers.sum(axis=0))

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The number of each step's answers."""
        return np.asarray(self.folded_rows.sum(axis=0))

    @cached_property
    def models(self) -> Array:
        """The sum of the losses that the model of each step has in each later step."""
        return np.asarray(self.folded_models.sum(axis=0))

    def write(self, path: Path) -> None:
        fields = {field.name: np.asarray(getattr(self, field.name)) for field in dataclasses.fields(self)}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **fields)

    @classmethod
    def read(cls, path: Path) -> PolicyScores:
        with np.load(path, allow_pickle=False) as found:
            return cls(
                int(found["first_step"]),
                found["folded_answers"],
                found["folded_rows"],
                found["folded_models"],
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
    cells = fold_of_examples(frame)[settled.places] * count + settled.steps
    models = np.full((FOLDS, count, count), np.nan)
    picked, skew = frame[settled.places], 0.0
    for step, version in _trained_versions(context, lines):
        later = settled.steps >= step
        predictions = _predict(context, version, picked.filter(pl.Series(later)))
        found = loss_rows(score, _coded(context, labels[settled.places[later]]), predictions)
        models[:, step, step:] = _by_cell(cells[later], found, count)[:, step:]
        own = settled.versions[later] == version.version
        if own.any():
            skew = max(skew, float(np.abs(predictions[own] - settled.outputs[later][own]).max()))
    return PolicyScores(
        first,
        _by_cell(cells, losses, count),
        _by_cell(cells, np.ones(len(cells)), count).astype(np.int64),
        models,
        int((~is_settled).sum()),
        skew,
    )


def fold_of_examples(frame: pl.DataFrame) -> NDArray[np.int64]:
    """The fold of each example: of so many clusters that follow one another in time, each goes to another fold."""
    names = frame["cluster"].cast(pl.String).fill_null(frame["example_id"].cast(pl.String))
    clusters = pl.DataFrame({"name": names, "cutoff": frame["cutoff"]}).group_by("name").agg(pl.col("cutoff").min())
    in_time = clusters.sort("cutoff", "name")["name"]
    random = np.random.default_rng(_FOLD_SEED)
    rounds = -(-len(in_time) // FOLDS)
    folds = random.permuted(np.tile(np.arange(FOLDS), (rounds, 1)), axis=1).reshape(-1)
    numbered = pl.DataFrame({"name": in_time, "fold": folds[: len(in_time)]})
    return pl.DataFrame({"name": names}).join(numbered, on="name", how="left", maintain_order="left")["fold"].to_numpy()


def _by_cell(cells: NDArray[np.int64], values: Array, count: int) -> Array:
    """The sums by fold and step."""
    return np.bincount(cells, weights=values, minlength=FOLDS * count).astype(np.float64).reshape(FOLDS, count)


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
