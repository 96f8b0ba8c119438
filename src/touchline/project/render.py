"""The source of a project that `touchline init` writes: the declaration, and its on-demand transforms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from touchline.contracts import contract_imports, render_contract
from touchline.ingest import CsvFiles
from touchline.statistics import MIN_CLUSTERS

if TYPE_CHECKING:
    from touchline.contracts import Inference
    from touchline.ingest import FileSample

# What a gate needs to compare models on, in days where there is a time, and some to spare.
_TEST_EXAMPLES = 1.2 * MIN_CLUSTERS
_TEST_SHARES = (0.2, 0.5)


def render_project(
    name: str, found: Inference, sample: FileSample, *, path: str, inputs: list[str], left_out: Mapping[str, str]
) -> str:
    """The project's file as source."""
    parts = [
        f'"""{name}: predict `{found.target}`. Written by `touchline init`; yours to edit."""\n',
        _imports(found, sample),
        "",
        render_contract(found),
        "",
        *_joined_time(found),
        _source(found, sample, path),
        "",
        _inputs(found, inputs, left_out),
        "",
        _examples(found),
        "",
        *_calendar(found),
        _task(found),
        _project(name, found, inputs),
    ]
    return "\n".join(parts)


def render_transforms(found: Inference) -> str | None:
    """The on-demand transforms as source; None where the table has no time."""
    if not calendar_inputs(found):
        return None
    assert found.event_time is not None
    parts = found.time_parts.columns if found.time_parts else ()
    days = _days_of_parts(parts) if parts else f'    days = columns["{found.event_time}"] / 86_400\n'
    names = {field.name for field in found.fields}
    prefix = found.event_time.strip("_")
    while any(name.startswith(f"{prefix}_") for name in names):
        prefix += "_"
    chosen = (["trend"] if parts else []) + list(found.cycles)
    outputs = "".join(f'        "{prefix}_{name}": {value},\n' for cycle in chosen for name, value in _CALENDAR[cycle])
    return f"{_TRANSFORMS}{days}    return {{\n{outputs}    }}\n"


_TRANSFORMS = '''"""On-demand features. NumPy only: a release carries this file, and serving runs it alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def calendar(columns: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """Trend and calendar columns, in UTC, so that a target that grows or follows the calendar is learned."""
'''
_CALENDAR = {
    "trend": (("trend", "days"),),
    "season": (
        ("season_sin", "np.sin(2 * np.pi * days / 365.2425)"),
        ("season_cos", "np.cos(2 * np.pi * days / 365.2425)"),
    ),
    "week": (
        ("weekday", "np.floor(days + 3) % 7"),
        ("weekend", "np.where(np.floor(days + 3) % 7 >= 5, 1.0, 0.0)"),
    ),
    "day": (
        ("hour", "days % 1 * 24"),
        ("day_sin", "np.sin(2 * np.pi * days)"),
        ("day_cos", "np.cos(2 * np.pi * days)"),
    ),
}


def _days_of_parts(parts: Sequence[str]) -> str:
    year, month, *smaller = (f'columns["{name}"]' for name in parts)
    lines = [
        f"    months = ({year} - 1970) * 12 + {month} - 1",
        '    first = np.nan_to_num(months).astype(np.int64).astype("datetime64[M]").astype("datetime64[D]")',
        "    days = first.astype(np.int64) + 0 * months"
        + "".join([f" + {value} - 1" if place == 0 else f" + {value} / 24" for place, value in enumerate(smaller)]),
    ]
    return "\n".join(lines) + "\n"


def calendar_inputs(found: Inference) -> tuple[str, ...]:
    """The model columns that the calendar is computed from; none where the table has no time, or no calendar."""
    if found.event_time is None:
        return ()
    if found.time_parts:
        return found.time_parts.columns
    return (found.event_time,) if found.cycles else ()


def test_share(found: Inference) -> float:
    """The share of the rows to test on: a fifth, and more where a fifth is too few for a gate."""
    rows = found.rows - (found.field(found.target).nulls if found.target else 0)
    independent = rows if found.event_time is None or has_hourly_clusters(found) else found.days
    least, most = _TEST_SHARES
    return round(min(most, max(least, _TEST_EXAMPLES / max(1, independent))), 2)


def has_hourly_clusters(found: Inference) -> bool:
    """Whether a cluster is an hour rather than a day, because the days to test on are too few for a gate."""
    return found.days * _TEST_SHARES[0] < _TEST_EXAMPLES and "day" in found.cycles


def _calendar(found: Inference) -> list[str]:
    inputs = calendar_inputs(found)
    return (
        [f"calendar = on_demand(inputs=[{', '.join(map(_quoted, inputs))}])(transforms.calendar)", ""] if inputs else []
    )


def _joined_time(found: Inference) -> list[str]:
    """The function that joins columns to the time of a row."""
    if (parts := found.time_parts) is None:
        return []
    columns = ", ".join(map(_quoted, parts.columns))
    read = (
        'str.to_datetime("%Y-%m-%d %H:%M", time_zone="UTC", strict=False)'
        if parts.has_hours
        else 'str.to_date("%Y-%m-%d", strict=False)'
    )
    return [
        "def with_row_time(rows: pl.DataFrame) -> pl.DataFrame:",
        f'    """The time of a row, joined from {", ".join(parts.columns)}."""',
        f'    texts = pl.format("{parts.form}", {columns})',
        f"    return rows.with_columns({parts.name}=texts.{read})",
        "",
        "",
    ]


def _imports(found: Inference, sample: FileSample) -> str:
    ours: dict[str, tuple[str, ...]] = {
        "touchline": ("Contract", "Gate", "Project", "Source", "Training", _maker(found), "examples")
    }
    ours["touchline.ingest"] = (sample.kind,)
    if calendar_inputs(found):
        ours["touchline"] += ("on_demand",)
    wanted = {**ours, "polars": ()}
    for module, names in contract_imports(found).items():
        wanted[module] = tuple(dict.fromkeys((*wanted.get(module, ()), *names)))
    standard = [module for module in ("datetime", "typing") if wanted.get(module)]
    others = sorted(module for module in wanted if module not in ("datetime", "typing", "polars"))
    lines = ["from __future__ import annotations", ""]
    lines += [_import(module, wanted[module]) for module in standard]
    lines += [""] if standard else []
    lines += ["import polars as pl", *(_import(module, wanted[module]) for module in others if wanted[module])]
    if calendar_inputs(found):
        lines += ["", "from . import transforms"]
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
        words = dict.fromkeys((*CsvFiles.model_fields["null_values"].default, *found.null_values))
        options.append(f"null_values=({', '.join(map(_quoted, words))})")
    if found.row_number:
        options.append(f"row_column={_quoted(found.key[0])}")
    if found.time_parts:
        options.append("prepare=with_row_time")
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
    clusters = (
        [
            "        # Rows of an hour count as one example; those of a day would be too few to compare models on.",
            '        cluster=pl.col("event_timestamp").dt.strftime("%Y-%m-%d %H"),',
        ]
        if has_hourly_clusters(found)
        else []
    )
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
            *clusters,
            "    )",
            "",
        ]
    )


def _inputs(found: Inference, inputs: list[str], left_out: Mapping[str, str]) -> str:
    notes = [f"# left out: {name} ({reason})" for name, reason in left_out.items()]
    suspicions = {leak.column: leak.reason for leak in found.leaks}
    lines: list[str] = []
    for name in inputs:
        if name in suspicions:
            lines.append(f"    # suspected leak: {suspicions[name]}")
        lines.append(f'    "{name}",')
    return "\n".join([*notes, "INPUTS = [", *lines, "]", ""])


def _task(found: Inference) -> str:
    classes = [f"    classes=[{', '.join(map(_quoted, found.classes))}]," if found.task != "regression" else ""]
    computed = ["    on_demand=[calendar],"] if calendar_inputs(found) else []
    made = [f"task = {_maker(found)}(", "    examples=all_rows,", *filter(None, classes), "    inputs=INPUTS,"]
    made += [*computed, ")", ""]
    return "\n".join(made)


def _project(name: str, found: Inference, inputs: Sequence[str]) -> str:
    candidates = '["ridge", "lightgbm"]' if found.task == "regression" else '["logistic", "lightgbm"]'
    score = "mse" if found.task == "regression" else "log_loss"
    options = [f"candidates={candidates}", f"test={test_share(found)}", "blend=True"]
    trusted = [leak.column for leak in found.leaks if leak.column in inputs]
    if trusted:
        names = ", ".join(map(_quoted, trusted))
        options.append(f"trusted=[{names}]")
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
            "    ),",
            f"    gates=[{', '.join(gates)}],",
            ")",
            "",
        ]
    )
