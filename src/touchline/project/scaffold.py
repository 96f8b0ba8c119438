"""`touchline init`: a working project from a table alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from touchline.contracts import infer_contract
from touchline.errors import (
    InvalidProjectName,
    NothingToLearnFrom,
    ProjectExists,
    SourceFileEmpty,
    TargetNeverVaries,
    TargetNotClasses,
)
from touchline.ingest import inspect_file
from touchline.project.load import load_project
from touchline.project.plan import plan_changes
from touchline.project.render import calendar_inputs, render_project, render_transforms
from touchline.project.spec import is_project_name
from touchline.statistics import MIN_CLUSTERS
from touchline.training import LEAST_EXAMPLES, RARE

if TYPE_CHECKING:
    from touchline.contracts import Inference, TaskType


# Texts of which each has fewer rows are names, or numbers that init cannot read.
_MOST_CLASSES = 20
_ROWS_OF_A_CLASS = 5


@dataclass(frozen=True)
class WrittenProject:
    """The file that was written, and what a person should look at in it."""

    name: str
    file: Path
    rows: int
    columns: int
    task: str
    notes: tuple[str, ...]


def write_project(name: str, *, data: Path, target: str, base: Path, task: TaskType | None = None) -> WrittenProject:
    """Write `projects/NAME/project.py` under `base` from a CSV or Parquet file, then load and plan it.

    Raises `ProjectExists` rather than overwrite, `NothingToLearnFrom` when no input column is left, and the
    errors of reading the file. Nothing stays behind when it fails.
    """
    if not is_project_name(name):
        raise InvalidProjectName(name)
    file = base / "projects" / name / "project.py"
    if file.exists():
        raise ProjectExists(name, file)
    sample = inspect_file(data)
    inference = infer_contract(sample.frame, name=name, target=target, task=task)
    label = inference.field(str(inference.target))
    if not inference.rows:
        raise SourceFileEmpty(name, data.name)
    if label.distinct < 2:
        value = label.least or next(iter(map(str, label.levels)), None)
        raise TargetNeverVaries(target, value, inference.rows - label.nulls)
    if task is None and label.kind == "str" and label.distinct > max(_MOST_CLASSES, inference.rows / _ROWS_OF_A_CLASS):
        examples = sample.frame[target].drop_nulls().unique(maintain_order=True).head(3).to_list()
        raise TargetNotClasses(target, label.distinct, inference.rows - label.nulls, examples)
    inputs = input_columns(inference)
    if not inputs:
        dirty = [note for note in inference.notes if "is read as text" in note]
        raise NothingToLearnFrom(name, target, columns_left_out(inference), dirty)
    path = _path_to_declare(data, base)
    text = render_project(name, inference, sample, path=path, inputs=inputs, left_out=columns_left_out(inference))
    _write(file, text, render_transforms(inference), base=base)
    notes = (*sample.notes, *inference.notes, *_notes(inference, inputs))
    return WrittenProject(name, file, inference.rows, len(inference.fields), str(inference.task), notes)


def _path_to_declare(data: Path, base: Path) -> str:
    """Relative for a file below `base`, the folder in which touchline runs, so that both can move; else absolute."""
    place, around = Path(os.path.normpath(data.absolute())), Path(os.path.normpath(base.absolute()))
    return (place.relative_to(around) if place.is_relative_to(around) else place).as_posix()


def _write(file: Path, text: str, transforms: str | None, *, base: Path) -> None:
    """Write the project and plan it; a folder that was not there before goes again when that fails."""
    folder = file.parent
    before = {path for path in (folder, *folder.parents) if path.exists()}
    folder.mkdir(parents=True, exist_ok=True)
    written = {file: text} | ({folder / "transforms.py": transforms} if transforms else {})
    clashing = [path for path in written if path.exists()]
    if clashing:
        raise ProjectExists(folder.name, clashing[0])
    try:
        for path, source in written.items():
            path.write_text(source, encoding="utf-8")
        plan_changes(load_project(folder, base=base).project, None)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        for path in (folder, *folder.parents):
            if path not in before:
                path.rmdir()
        raise


def input_columns(inference: Inference) -> list[str]:
    """The columns the model may see."""
    left_out = columns_left_out(inference)
    return [field.name for field in inference.fields if field.name != inference.target and field.name not in left_out]


def columns_left_out(inference: Inference) -> dict[str, str]:
    """Each column that is no input, with the reason; the target is not among them."""
    reasons = _columns_never_input(inference)
    columns = {field.name for field in inference.fields} - {inference.target} - reasons.keys()
    deciding = {leak.column: leak for leak in inference.leaks if leak.decides and leak.column in columns}
    for name in calendar_inputs(inference):
        deciding.pop(name, None)
    if deciding.keys() < columns:  # else nothing would be left to learn from
        reasons |= {name: f"{leak.reason}; {_to_trust(name)}" for name, leak in deciding.items()}
    return reasons


def _to_trust(name: str) -> str:
    return (
        f'if it is known when the prediction is made, put it into INPUTS and into Training(trusted=["{name}"]), or '
        "training refuses it"
    )


def _columns_never_input(inference: Inference) -> dict[str, str]:
    reasons: dict[str, str] = {}
    copies = {leak.column: leak.reason for leak in inference.leaks if leak.is_copy}
    times = calendar_inputs(inference)
    for field in inference.fields:
        if field.name in copies:
            reasons[field.name] = copies[field.name]
        elif (field.name,) == inference.key:
            reasons[field.name] = "it identifies a row"
        elif inference.time_parts and field.name == inference.event_time:
            reasons[field.name] = f"it is joined from {', '.join(inference.time_parts.columns)}, which are inputs"
        elif field.name in times:
            continue
        elif field.name == inference.event_time:
            reasons[field.name] = "it is the time of a row"
        elif field.identity == "row":
            reasons[field.name] = "it numbers the rows"
        elif field.identity == "repeated":
            reasons[field.name] = (
                "it identifies what a row is about, so its value says nothing of itself; if its rows belong together, "
                'give them one cluster in all_rows and Training(split="grouped")'
            )
        elif field.kind in ("date", "datetime"):
            reasons[field.name] = "a date is no input; make a number or a category of it in all_rows"
        elif field.distinct <= (0 if field.nullable else 1):
            reasons[field.name] = "it never varies"
        elif field.kind == "str" and not field.levels and field.distinct > inference.rows / 2:
            reasons[field.name] = "its text differs from row to row"
    reasons.pop(str(inference.target), None)
    return reasons


def _notes(inference: Inference, inputs: list[str]) -> tuple[str, ...]:
    notes = [f"{name} is left out: {reason}" for name, reason in columns_left_out(inference).items()]
    suspected = [leak for leak in inference.leaks if leak.column in inputs]
    notes += [
        f"{leak.column} may leak and stays an input"
        + (f", as no other is left: {leak.reason}; {_to_trust(leak.column)}" if leak.decides else f": {leak.reason}")
        for leak in suspected
    ]
    labelled = inference.rows - inference.field(str(inference.target)).nulls
    if labelled < 2 * MIN_CLUSTERS:
        notes.append(
            f"{labelled} rows with a label are few: training needs {LEAST_EXAMPLES}, and a gate compares models on at "
            f"least {MIN_CLUSTERS} that no fit has seen"
        )
    if inference.positive_share is not None and inference.positive_share < RARE:
        notes.append(
            f"{inference.classes[-1]} is {inference.positive_share:.1%} of the rows, so the threshold is the one with "
            "the best F1 on validation rows, not 0.5; declare what errors cost with threshold=Costs(...)"
        )
    notes += [
        f"{column}: day and month could be the other way round; check its DateFormat"
        for column in inference.ambiguous_dates
    ]
    if inference.null_values:
        words = ", ".join(map(repr, inference.null_values))
        notes.append(f"{words} are read as missing values (null_values); take out what means something else")
    if inference.row_number:
        notes.append("no column identifies a row; the line number does, so a changed line is a changed row")
    notes += _time_notes(inference)
    return tuple(notes)


def _time_notes(inference: Inference) -> Iterator[str]:
    if inference.event_time is None:
        yield "no time column was found, so the split is at random; if there is one, name it as event_time"
        return
    if inference.time_parts:
        joined = ", ".join(inference.time_parts.columns)
        yield f"{joined} are joined to {inference.event_time} (with_row_time), so that the split is by time"
    yield (
        f"{inference.event_time} is taken as the time a row became known; is it? A model must not know what lies after "
        "it: take columns that are known only later out of INPUTS"
    )
    if calendar_inputs(inference):
        cycles = ", ".join(("trend", *inference.cycles))
        yield f"columns for {cycles} are computed from it (transforms.py), as the target may follow them"
