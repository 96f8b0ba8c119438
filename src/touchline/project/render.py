"""The source of a project that `touchline init` writes: the declaration, and its on-demand transforms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from touchline.contracts import contract_imports, render_contract
from touchline.ingest import CsvFiles
from touchline.statistics import MIN_CLUSTERS

if TYPE_CHECKING:
    from touchline.contracts import Inference
    from touchline.contracts.table_times import TimeParts
    from touchline.ingest import FileSample

# What a gate needs to compare models on, in days where there is a time, and some to spare.
_TEST_EXAMPLES = 1.2 * MIN_CLUSTERS
_TEST_SHARES = (0.2, 0.5)


def render_project(
    name: str, inference: Inference, sample: FileSample, *, path: str, inputs: list[str], left_out: Mapping[str, str]
) -> str:
    """The project's file as source."""
    parts = [
        f'"""{name}: predict `{inference.target}`. Written by `touchline init`; yours to edit."""\n',
        _imports(inference, sample),
        "",
        render_contract(inference),
        "",
        *_joined_time(inference),
        _source(inference, sample, path),
        "",
        _inputs(inference, inputs, left_out),
        "",
        _examples(inference),
        "",
        *_calendar(inference),
        _task(inference),
        _project(name, inference),
    ]
    return "\n".join(parts)


def render_transforms(inference: Inference) -> str | None:
    """The on-demand transforms as source; None where the table has no time."""
    if not calendar_inputs(inference):
        return None
    assert inference.event_time is not None
    parts = inference.time_parts
    days = _days_of_parts(parts) if parts else f'    days = columns["{inference.event_time}"] / 86_400\n'
    outputs = "".join(f'        "{name}": {value},\n' for name, value in _calendar_outputs(inference).items())
    has_names = parts is not None and parts.has_month_names
    head = _TRANSFORMS_OF_NAMES if has_names else _TRANSFORMS
    return f"{head}{days}    return {{\n{outputs}    }}\n"


_TRANSFORMS = '''"""On-demand features. NumPy only: a release carries this file, and serving runs it alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def calendar(columns: Mapping[str, NDArray[np.float64]]) -> Mapping[str, NDArray[np.float64]]:
    """Trend and calendar columns, in UTC, so that a target that grows or follows the calendar is learned."""
'''
_TRANSFORMS_OF_NAMES = _TRANSFORMS.replace(
    "\n\n\ndef ",
    """

_MONTHS = {name: place for place, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)}


def """,
).replace("columns: Mapping[str, NDArray[np.float64]]", "columns: Mapping[str, NDArray[np.generic]]")
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


def _days_of_parts(parts: TimeParts) -> str:
    year, month, *smaller = (f'columns["{name}"]' for name in parts.columns)
    lines = []
    if parts.has_month_names:
        lines.append(f"    month = np.array([_MONTHS.get(str(name).strip()[:3].lower(), np.nan) for name in {month}])")
        month = "month"
    lines += [
        f"    months = ({year} - 1970) * 12 + {month} - 1",
        '    first = np.nan_to_num(months).astype(np.int64).astype("datetime64[M]").astype("datetime64[D]")',
        "    days = first.astype(np.int64) + 0 * months"
        + "".join([f" + {value} - 1" if place == 0 else f" + {value} / 24" for place, value in enumerate(smaller)]),
    ]
    return "\n".join(lines) + "\n"


def _calendar_outputs(inference: Inference) -> dict[str, str]:
    """The columns that the calendar gives, with their source; none where the table has no calendar."""
    if not calendar_inputs(inference):
        return {}
    assert inference.event_time is not None
    prefix = inference.event_time.strip("_")
    while any(field.name.startswith(f"{prefix}_") for field in inference.fields):
        prefix += "_"
    chosen = (["trend"] if inference.time_parts else []) + list(inference.cycles)
    return {f"{prefix}_{name}": value for cycle in chosen for name, value in _CALENDAR[cycle]}


def _columns_of_time(inference: Inference) -> list[str]:
    """The model columns that move on with time by themselves, so that their change is no drift.

    A column that never varies is dropped by a training, and a drift rule may not name it.
    """
    inputs = [name for name in calendar_inputs(inference) if inference.field(name).distinct > 1]
    return [*inputs, *_calendar_outputs(inference)]


def calendar_inputs(inference: Inference) -> tuple[str, ...]:
    """The model columns that the calendar is computed from; none where the table has no time, or no calendar."""
    if inference.event_time is None:
        return ()
    if inference.time_parts:
        return inference.time_parts.columns
    return (inference.event_time,) if inference.cycles else ()


def test_share(inference: Inference) -> float:
    """The share of the rows to test on: a fifth, and more where a fifth is too few for a gate."""
    rows = inference.rows - (inference.field(inference.target).nulls if inference.target else 0)
    independent = rows if inference.event_time is None or has_hourly_clusters(inference) else inference.days
    least, most = _TEST_SHARES
    return round(min(most, max(least, _TEST_EXAMPLES / max(1, independent))), 2)


def has_hourly_clusters(inference: Inference) -> bool:
    """Whether a cluster is an hour rather than a day, because the days to test on are too few for a gate."""
    return inference.days * _TEST_SHARES[0] < _TEST_EXAMPLES and "day" in inference.cycles


def _calendar(inference: Inference) -> list[str]:
    inputs = calendar_inputs(inference)
    return (
        [f"calendar = on_demand(inputs=[{', '.join(map(_quoted, inputs))}])(transforms.calendar)", ""] if inputs else []
    )


def _joined_time(inference: Inference) -> list[str]:
    """The function that joins columns to the time of a row."""
    if (parts := inference.time_parts) is None:
        return []
    columns = ", ".join(map(_quoted, parts.columns))
    read = (
        f'str.to_datetime("{parts.date_form} %H:%M", time_zone="UTC", strict=False)'
        if parts.has_hours
        else f'str.to_date("{parts.date_form}", strict=False)'
    )
    return [
        "def with_row_time(rows: pl.DataFrame) -> pl.DataFrame:",
        f'    """The time of a row, joined from {", ".join(parts.columns)}."""',
        f'    texts = pl.format("{parts.form}", {columns})',
        f"    return rows.with_columns({parts.name}=texts.{read})",
        "",
        "",
    ]


def _imports(inference: Inference, sample: FileSample) -> str:
    ours: dict[str, tuple[str, ...]] = {
        "touchline": ("Contract", "Gate", "Project", "Source", "Training", _maker(inference), "examples")
    }
    ours["touchline.ingest"] = (sample.kind,)
    if calendar_inputs(inference):
        ours["touchline"] += ("Drift", "Monitoring", "on_demand")
    wanted = {**ours, "polars": ()}
    for module, names in contract_imports(inference).items():
        wanted[module] = tuple(dict.fromkeys((*wanted.get(module, ()), *names)))
    standard = [module for module in ("datetime", "typing") if wanted.get(module)]
    others = sorted(module for module in wanted if module not in ("datetime", "typing", "polars"))
    lines = ["from __future__ import annotations", ""]
    lines += [_import(module, wanted[module]) for module in standard]
    lines += [""] if standard else []
    lines += ["import polars as pl", *(_import(module, wanted[module]) for module in others if wanted[module])]
    if calendar_inputs(inference):
        lines += ["", "from . import transforms"]
    return "\n".join([*lines, ""])


def _import(module: str, names: tuple[str, ...]) -> str:
    return f"from {module} import {', '.join(sorted(set(names)))}"


def _maker(inference: Inference) -> str:
    return "regression" if inference.task == "regression" else "classification"


def _source(inference: Inference, sample: FileSample, path: str) -> str:
    options = [_quoted(path), *(f"{name}={_quoted(value)}" for name, value in sample.arguments.items())]
    if sample.numbers:
        styles = ", ".join(f"{_quoted(column)}: {_quoted(style)}" for column, style in sample.numbers.items())
        options.append(f"numbers={{{styles}}}")
    if inference.null_values:
        words = dict.fromkeys((*CsvFiles.model_fields["null_values"].default, *inference.null_values))
        options.append(f"null_values=({', '.join(map(_quoted, words))})")
    if inference.row_number:
        options.append(f"row_column={_quoted(inference.key[0])}")
    if inference.time_parts:
        options.append("prepare=with_row_time")
    if inference.rename:
        pairs = "".join(f"            {_quoted(old)}: {_quoted(new)},\n" for old, new in inference.rename.items())
        options.append(f"rename={{\n{pairs}        }}")
    provider = f"{sample.kind}({', '.join(options)})"
    if inference.rename:
        provider = f"{sample.kind}(\n" + "".join(f"        {option},\n" for option in options) + "    )"
    key = _quoted(inference.key[0]) if len(inference.key) == 1 else f"({', '.join(map(_quoted, inference.key))})"
    where = [] if path.startswith("/") else ["# The path counts from the folder in which touchline runs."]
    lines = [
        *where,
        "rows = Source(",
        '    name="rows",',
        f"    contract={inference.contract_name},",
        f"    key={key},",
    ]
    if inference.event_time:
        lines.append(f"    event_time={_quoted(inference.event_time)},")
    return "\n".join([*lines, f"    provider={provider},", ")", ""])


def _quoted(value: str | int) -> str:
    """A value as Python source, text in double quotes."""
    return repr(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)


def _examples(inference: Inference) -> str:
    keys = ", ".join(f'pl.col("{key}").cast(pl.String)' for key in inference.key)
    identity = keys if len(inference.key) == 1 else f'pl.concat_str([{keys}], separator="-")'
    cutoff = "event_timestamp"
    note = "    # The table has no time column, so the split is stratified and nothing expires."
    if inference.event_time:
        note = f"    # Predicted when a row became known ({inference.event_time}); move it if you predict earlier."
    clusters = (
        [
            "        # Rows of an hour count as one example; those of a day would be too few to compare models on.",
            '        cluster=pl.col("event_timestamp").dt.strftime("%Y-%m-%d %H"),',
        ]
        if has_hourly_clusters(inference)
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
            f'        label="{inference.target}",',
            '        label_timestamp="event_timestamp",',
            *clusters,
            "    )",
            "",
        ]
    )


def _inputs(inference: Inference, inputs: list[str], left_out: Mapping[str, str]) -> str:
    notes = [f"# left out: {name} ({reason})" for name, reason in left_out.items()]
    suspicions = {leak.column: leak.reason for leak in inference.leaks}
    lines: list[str] = []
    for name in inputs:
        if name in suspicions:
            lines.append(f"    # suspected leak: {suspicions[name]}")
        lines.append(f'    "{name}",')
    return "\n".join([*notes, "INPUTS = [", *lines, "]", ""])


def _task(inference: Inference) -> str:
    classes = [f"    classes=[{', '.join(map(_quoted, inference.classes))}]," if inference.task != "regression" else ""]
    computed = ["    on_demand=[calendar],"] if calendar_inputs(inference) else []
    made = [f"task = {_maker(inference)}(", "    examples=all_rows,", *filter(None, classes), "    inputs=INPUTS,"]
    made += [*computed, ")", ""]
    return "\n".join(made)


def _project(name: str, inference: Inference) -> str:
    linear = "ridge" if inference.task == "regression" else "logistic"
    score = "mse" if inference.task == "regression" else "log_loss"
    options = [f'candidates=["{linear}", "lightgbm", "catboost"]', f"test={test_share(inference)}"]
    gates = [f'Gate.improves("{score}", confidence=0.95)']
    if inference.task == "regression":
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
            *_monitoring(inference),
            ")",
            "",
        ]
    )


def _monitoring(inference: Inference) -> list[str]:
    if not (names := _columns_of_time(inference)):
        return []
    return [
        "    # Time goes on in every window: its columns are no drift.",
        "    monitoring=Monitoring(",
        "        drift=Drift(",
        "            ignore=(",
        *(f"                {_quoted(name)}," for name in names),
        "            )",
        "        )",
        "    ),",
    ]
