"""`touchline init`: a working project from a table alone."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from touchline.contracts import contract_imports, infer_contract, render_contract
from touchline.errors import NothingToLearnFrom, ProjectExists
from touchline.ingest import inspect_file

if TYPE_CHECKING:
    from touchline.contracts import Inference
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


def write_project(name: str, *, data: Path, target: str, base: Path) -> WrittenProject:
    """Write `projects/NAME/project.py` under `base` from a CSV or Parquet file.

    Raises `ProjectExists` rather than overwrite, `NothingToLearnFrom` when no input column is left, and the
    errors of reading the file.
    """
    file = base / "projects" / name / "project.py"
    if file.exists():
        raise ProjectExists(name, file)
    sample = inspect_file(data)
    found = infer_contract(sample.frame, name=name, target=target)
    inputs = input_columns(found)
    if not inputs:
        raise NothingToLearnFrom(name, target, [leak.column for leak in found.leaks])
    path = os.path.relpath(data.absolute(), base)
    text = render_project(name, found, sample, path=path, inputs=inputs)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return WrittenProject(name, file, found.rows, len(found.fields), str(found.task), _notes(found))


def input_columns(found: Inference) -> list[str]:
    """The columns the model may see: neither key, target, time nor suspected leak, nor text that never repeats."""
    left_out = {*found.key, found.target, found.event_time, *(leak.column for leak in found.leaks)}
    return [
        field.name
        for field in found.fields
        if field.name not in left_out
        and field.kind not in ("date", "datetime")
        and not (field.kind == "str" and not field.levels and field.distinct > found.rows / 2)
        and field.distinct > 1
    ]


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
    return json.dumps(value, ensure_ascii=False)


def _examples(found: Inference) -> str:
    keys = ", ".join(f'pl.col("{key}").cast(pl.String)' for key in found.key)
    identity = keys if len(found.key) == 1 else f'pl.concat_str([{keys}], separator="-")'
    cutoff = "event_timestamp"
    note = "    # The table has no time column, so the split is stratified and nothing expires."
    if found.event_time:
        note = f"    # Judged at the instant a row became known ({found.event_time}); move it if you predict earlier."
    return "\n".join(
        [
            "@examples(source=rows)",
            "def all_rows(rows: pl.LazyFrame) -> pl.LazyFrame:",
            '    """Every row; a null label is to be predicted."""',
            note,
            "    return rows.select(",
            "        *INPUTS,",
            f"        example_id={identity},",
            f'        cutoff="{cutoff}",',
            f'        label="{found.target}",',
            '        label_timestamp="event_timestamp",',
            "    )",
            "",
        ]
    )


def _inputs(found: Inference, inputs: list[str]) -> str:
    leaks = [f"# left out: {leak.column} ({leak.reason})" for leak in found.leaks]
    return "\n".join([*leaks, "INPUTS = [", *(f'    "{name}",' for name in inputs), "]", ""])


def _task(found: Inference) -> str:
    classes = [f"    classes=[{', '.join(map(_quoted, found.classes))}]," if found.task != "regression" else ""]
    made = [f"task = {_maker(found)}(", "    examples=all_rows,", *filter(None, classes), "    inputs=INPUTS,", ")", ""]
    return "\n".join(made)


def _project(name: str, found: Inference) -> str:
    candidates = '["ridge", "lightgbm"]' if found.task == "regression" else '["logistic", "lightgbm"]'
    score = "mse" if found.task == "regression" else "log_loss"
    return "\n".join(
        [
            "project = Project(",
            f'    name="{name}",',
            "    sources=[rows],",
            "    task=task,",
            f"    training=Training(candidates={candidates}, test={_TEST_SHARE}),",
            f'    gates=[Gate.improves("{score}", confidence=0.95)],',
            ")",
            "",
        ]
    )


def _notes(found: Inference) -> tuple[str, ...]:
    notes = [f"{leak.column} is left out: {leak.reason}" for leak in found.leaks]
    notes += [
        f"{column}: day and month could be the other way round; check its DateFormat"
        for column in found.ambiguous_dates
    ]
    if found.row_number:
        notes.append("no column identifies a row; the line number does, so a changed line is a changed row")
    if found.event_time is None:
        notes.append("no time column was found; if there is one, name it as event_time")
    else:
        notes.append(f"{found.event_time} is taken as the time a row became known")
    return tuple(notes)
