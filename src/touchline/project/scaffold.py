"""`touchline init`: a working project from a table alone."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from touchline.contracts import contract_imports, infer_contract, render_contract
from touchline.errors import InvalidProjectName, NothingToLearnFrom, OneClassOnly, ProjectExists
from touchline.ingest import inspect_file
from touchline.project.load import load_project
from touchline.project.plan import plan_changes
from touchline.project.spec import is_project_name
from touchline.training import RARE

if TYPE_CHECKING:
    from touchline.contracts import Inference, TaskType
    from touchline.ingest import FileSample

_TEST_SHARE = 0.2


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
    found = infer_contract(sample.frame, name=name, target=target, task=task)
    label = found.field(str(found.target))
    if label.distinct < 2:
        raise OneClassOnly(label.least or next(iter(map(str, label.levels)), None), found.rows - label.nulls)
    inputs = input_columns(found)
    if not inputs:
        raise NothingToLearnFrom(name, target, [leak.column for leak in found.leaks])
    path = os.path.relpath(data.absolute(), base)
    text = render_project(name, found, sample, path=path, inputs=inputs)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        plan_changes(load_project(file.parent, base=base).project, None)
    except Exception:
        shutil.rmtree(file.parent)
        raise
    notes = (*sample.notes, *found.notes, *_notes(found, inputs))
    return WrittenProject(name, file, found.rows, len(found.fields), str(found.task), notes)


def input_columns(found: Inference) -> list[str]:
    """The columns the model may see."""
    left_out = columns_left_out(found)
    return [field.name for field in found.fields if field.name != found.target and field.name not in left_out]


def columns_left_out(found: Inference) -> dict[str, str]:
    """Each column that is no input, with the reason; the target is not among them."""
    reasons: dict[str, str] = {}
    copies = {leak.column: leak.reason for leak in found.leaks if leak.is_copy}
    for field in found.fields:
        if field.name in copies:
            reasons[field.name] = copies[field.name]
        elif (field.name,) == found.key:
            reasons[field.name] = "it identifies a row"
        elif field.name == found.event_time:
            reasons[field.name] = "it is the time of a row"
        elif field.is_row_index:
            reasons[field.name] = "it numbers the rows"
        elif field.kind in ("date", "datetime"):
            reasons[field.name] = "a date is no input; make a number or a category of it in all_rows"
        elif field.distinct <= (0 if field.nullable else 1):
            reasons[field.name] = "it never varies"
        elif field.kind == "str" and not field.levels and field.distinct > found.rows / 2:
            reasons[field.name] = "its text differs from row to row"
    reasons.pop(str(found.target), None)
    return reasons


def render_project(name: str, found: Inference, sample: FileSample, *, path: str, inputs: list[str]) -> str:
    """The project's file as source."""
    parts = [
        f'"""{name}: predict `{found.target}`. Written by `touchline init`; yours to edit."""\n',
        _imports(found, sample),
        "",
        render_contract(found),
        "",
        _source(found, sample, path),
        "",
        _inputs(found, inputs),
        "",
        _examples(found),
        "",
        _task(found),
        _project(name, found),
    ]
    return "\n".join(parts)


def _imports(found: Inference, sample: FileSample) -> str:
    ours: dict[str, tuple[str, ...]] = {
        "touchline": ("Contract", "Gate", "Project", "Source", "Training", _maker(found), "examples")
    }
    ours["touchline.ingest"] = (sample.kind,)
    wanted = {**ours, "polars": ()}
    for module, names in contract_imports(found).items():
        wanted[module] = tuple(dict.fromkeys((*wanted.get(module, ()), *names)))
    standard = [module for module in ("datetime", "typing") if wanted.get(module)]
    others = sorted(module for module in wanted if module not in ("datetime", "typing", "polars"))
    lines = ["from __future__ import annotations", ""]
    lines += [_import(module, wanted[module]) for module in standard]
    lines += [""] if standard else []
    lines += ["import polars as pl", *(_import(module, wanted[module]) for module in others if wanted[module])]
    return "\n".join([*lines, ""])


def _import(module: str, names: tuple[str, ...]) -> str:
    return f"from {module} import {', '.join(sorted(set(names)))}"


def _maker(found: Inference) -> str:
    return "regression" if found.task == "regression" else "classification"


def _source(found: Inference, sample: FileSample, path: str) -> str:
    options = [_quoted(path), *(f"{name}={_quoted(value)}" for name, value in sample.arguments.items())]
    if sample.numbers:
        styles = ", ".join(f"{_quoted(column)}: {_quoted(style)}" for column, style in sample.numbers.items())
        options.append(f"numbers={{{styles}}}")
    if found.null_values:
        options.append(f"null_values=({', '.join(map(_quoted, ('', *found.null_values)))})")
    if found.row_number:
        options.append(f"row_column={_quoted(found.key[0])}")
    if found.rename:
        pairs = "".join(f"            {_quoted(old)}: {_quoted(new)},\n" for old, new in found.rename.items())
        options.append(f"rename={{\n{pairs}        }}")
    provider = f"{sample.kind}({', '.join(options)})"
    if found.rename:
        provider = f"{sample.kind}(\n" + "".join(f"        {option},\n" for option in options) + "    )"
    key = _quoted(found.key[0]) if len(found.key) == 1 else f"({', '.join(map(_quoted, found.key))})"
    lines = ["rows = Source(", '    name="rows",', f"    contract={found.contract_name},", f"    key={key},"]
    if found.event_time:
        lines.append(f"    event_time={_quoted(found.event_time)},")
    return "\n".join([*lines, f"    provider={provider},", ")", ""])


def _quoted(value: str | int) -> str:
    """A value as Python source, text in double quotes."""
    return repr(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)


def _examples(found: Inference) -> str:
    keys = ", ".join(f'pl.col("{key}").cast(pl.String)' for key in found.key)
    identity = keys if len(found.key) == 1 else f'pl.concat_str([{keys}], separator="-")'
    cutoff = "event_timestamp"
    note = "    # The table has no time column, so the split is stratified and nothing expires."
    if found.event_time:
        note = f"    # Predicted when a row became known ({found.event_time}); move it if you predict earlier."
    proposals = []
    if found.event_time:
        proposals = [
            "        # Calendar and trend columns; name in INPUTS those that you use:",
            '        # month=pl.col("event_timestamp").dt.month(),',
            '        # weekday=pl.col("event_timestamp").dt.weekday(),',
            '        # trend_days=pl.col("event_timestamp").dt.epoch("d"),',
        ]
    return "\n".join(
        [
            "@examples(source=rows)",
            "def all_rows(rows: pl.LazyFrame) -> pl.LazyFrame:",
            '    """Every row; a null label is to be predicted."""',
            note,
            "    return rows.select(",
            "        *INPUTS,",
            *proposals,
            f"        example_id={identity},",
            f'        cutoff="{cutoff}",',
            f'        label="{found.target}",',
            '        label_timestamp="event_timestamp",',
            "    )",
            "",
        ]
    )


def _inputs(found: Inference, inputs: list[str]) -> str:
    notes = [f"# left out: {name} ({reason})" for name, reason in columns_left_out(found).items()]
    suspicions = {leak.column: leak.reason for leak in found.leaks}
    lines: list[str] = []
    for name in inputs:
        if name in suspicions:
            lines.append(f"    # suspected leak: {suspicions[name]}")
        lines.append(f'    "{name}",')
    return "\n".join([*notes, "INPUTS = [", *lines, "]", ""])


def _task(found: Inference) -> str:
    classes = [f"    classes=[{', '.join(map(_quoted, found.classes))}]," if found.task != "regression" else ""]
    made = [f"task = {_maker(found)}(", "    examples=all_rows,", *filter(None, classes), "    inputs=INPUTS,", ")", ""]
    return "\n".join(made)


def _project(name: str, found: Inference) -> str:
    candidates = '["ridge", "lightgbm"]' if found.task == "regression" else '["logistic", "lightgbm"]'
    score = "mse" if found.task == "regression" else "log_loss"
    options = [f"candidates={candidates}", f"test={_TEST_SHARE}", "blend=True"]
    gates = [f'Gate.improves("{score}", confidence=0.95)']
    if found.task == "regression":
        gates.append('Gate("r2", at_least=0.0)')
    return "\n".join(
        [
            "project = Project(",
            f'    name="{name}",',
            "    sources=[rows],",
            "    task=task,",
            "    training=Training(",
            *(f"        {option}," for option in options),
            "        trusted=tuple(INPUTS),  # suspected leaks are named above; training only warns",
            "    ),",
            f"    gates=[{', '.join(gates)}],",
            ")",
            "",
        ]
    )


def _notes(found: Inference, inputs: list[str]) -> tuple[str, ...]:
    notes = [f"{name} is left out: {reason}" for name, reason in columns_left_out(found).items()]
    notes += [
        f"{leak.column} may leak and stays an input: {leak.reason}" for leak in found.leaks if leak.column in inputs
    ]
    if found.positive_share is not None and found.positive_share < RARE:
        notes.append(
            f"{found.classes[-1]} is {found.positive_share:.1%} of the rows, so the threshold is the one with the best "
            "F1 on validation rows, not 0.5; declare what errors cost with threshold=Costs(...)"
        )
    notes += [
        f"{column}: day and month could be the other way round; check its DateFormat"
        for column in found.ambiguous_dates
    ]
    if found.row_number:
        notes.append("no column identifies a row; the line number does, so a changed line is a changed row")
    if found.event_time is None:
        notes.append("no time column was found; if there is one, name it as event_time")
    else:
        notes.append(
            f"{found.event_time} is taken as the time a row became known; is it? If the target follows the season or a "
            "trend, add calendar and trend columns in all_rows (a proposal stands there)"
        )
    return tuple(notes)
