"""A contract inferred from a table alone: types, nulls, ranges, levels, key, time column, suspected leakage."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

import polars as pl

from touchline.contracts.contract import Contract
from touchline.contracts.inference import Identity, Inference, InferredField, TaskType
from touchline.contracts.leakage import suspected_leaks
from touchline.contracts.table_notes import table_notes
from touchline.contracts.table_times import (
    END_NAMES,
    NO_EVENT,
    TIME_NAMES,
    TimeParts,
    cycles_of,
    find_time_parts,
    may_be_instants,
)
from touchline.contracts.value_kinds import InferredKind, infer_kind, spelt_nulls
from touchline.errors import ColumnUnknown, TaskUnfit

_KEY_NAMES = re.compile(r"(^|_)(id|key|number|no|uuid|code|instant)$|nummer$|(^|_|n)nr$", re.IGNORECASE)
_ROW_NAMES = re.compile(
    r"^(column(_\d+)?|rownames?|row_?(number|id|index|no)?|index|(index_)?level_\d+|unnamed.*|x1|obs|nr|serial|ref|"
    r"reference|account|customer|client|member|user|patient|passenger|order|invoice|ticket|transaction|case|record)$"
)
_ID = re.compile(r"(^|_)(id|uuid|guid|key)$|(user|customer|client|member|account|order|product|item|store|patient)id$")
# Who or what several rows are about, where it is a whole number of many values.
_SUBJECT = re.compile(
    r"^(subject|respondent|participant|household|person|patient|customer|client|member|user|account|level_0|pid|"
    r"case_?id|kunde|patient_?nr)$|nummer$|(^|_|n)nr$"
)
_MANY_SUBJECTS = 10
# A shorter run of whole numbers in order is a cycle, such as that of weekdays.
_LEAST_COUNT = 20
_ENOUGH_ROWS = 20
# `date: date | None = None` would name itself.
ROW_NUMBER = "row_number"
_TYPES = {"date", "datetime", "int", "float", "str", "bool"}
_EXAMPLE_COLUMNS = {"example_id", "cutoff", "label", "label_timestamp", "cluster"}
_RESERVED = {"event_timestamp", "created_timestamp", ROW_NUMBER, *_TYPES, *_EXAMPLE_COLUMNS, *dir(Contract)}


def infer_contract(
    frame: pl.DataFrame, *, name: str, target: str | None = None, task: TaskType | None = None
) -> Inference:
    """The properties inferred from a table; `target` is the column to predict, in the file's spelling.

    >>> table = pl.DataFrame({"Lead ID": ["a", "b"], "visits": ["3", "4"], "won": ["yes", "no"]})
    >>> found = infer_contract(table, name="leads", target="won")
    >>> found.key, found.field("visits").kind, found.classes
    (('lead_id',), 'int', ('no', 'yes'))
    """
    if target is not None and target not in frame.columns:
        raise ColumnUnknown(name, target, frame.columns)
    names = _names(frame.columns)
    extra = spelt_nulls(frame)
    table = frame.with_columns(pl.when(~pl.col(pl.String).is_in(list(extra))).then(pl.col(pl.String)).name.keep())
    kinds = {column: infer_kind(table[column], is_target=column == target, task=task) for column in table.columns}
    target_name = names[target] if target is not None else None
    inferred = [_field(names[column], table[column], kind) for column, kind in kinds.items()]
    fields = _with_unknown_labels(inferred, target_name)
    by_name = {field.name: field for field in fields}
    typed = pl.DataFrame([kind.values.alias(names[column]) for column, kind in kinds.items()])
    key = _key(typed, by_name, target_name)
    kind = _task_of(by_name[target_name], task) if target_name else None
    time, times, parts = _time(typed, by_name, target_name)
    if parts is not None and times is not None:
        fields = (*fields, _field(parts.name, times, InferredKind("datetime" if parts.has_hours else "date", times)))
    inference = Inference(
        contract_name=_class_name(name),
        rows=frame.height,
        fields=fields,
        rename={column: field for column, field in names.items() if column != field},
        key=key or (ROW_NUMBER,),
        row_number=not key,
        event_time=time,
        time_parts=parts,
        cycles=cycles_of(times) if times is not None else (),
        days=times.cast(pl.Date).n_unique() if times is not None else 0,
        target=target_name,
        task=kind,
        classes=_classes(by_name[target_name], typed) if target_name else (),
        leaks=tuple(suspected_leaks(typed, target_name, key, is_number=kind == "regression")) if target_name else (),
        ambiguous_dates=tuple(names[column] for column, kind in kinds.items() if kind.is_ambiguous),
        null_values=extra,
        notes=(),
        positive_share=_positive_share(typed, by_name, target_name, kind),
    )
    return replace(inference, notes=tuple(table_notes(inference, typed, table)))


def _field(name: str, column: pl.Series, kind: InferredKind) -> InferredField:
    values = kind.values.drop_nulls()
    ordered = kind.kind in ("int", "float", "date", "datetime") and values.len() > 0
    least, most = (values.min(), values.max()) if ordered else (None, None)
    return InferredField(
        name=name,
        column=column.name,
        kind=kind.kind,
        nullable=values.len() < kind.values.len(),
        nulls=kind.values.null_count(),
        distinct=values.n_unique() if values.len() else 0,
        least=None if least is None else str(least),
        most=None if most is None else str(most),
        is_negative=kind.kind in ("int", "float") and isinstance(least, (int, float)) and least < 0,
        levels=kind.levels,
        formats=kind.formats,
        identity=_identity(name, kind),
    )


def _identity(name: str, kind: InferredKind) -> Identity | None:
    """Whole numbers that differ in every row and count it, are in order or are named like an id; ids that repeat."""
    values = kind.values
    if kind.kind not in ("int", "str") or kind.levels or values.drop_nulls().len() < 2:
        return None
    if kind.kind == "int" and may_be_instants(name, int(values.min()), int(values.max())):  # type: ignore[arg-type]
        return None
    if kind.kind == "int" and _ROW_NAMES.search(name) and _counts_again(values):
        return "row"
    if kind.kind == "str" or values.null_count() or values.n_unique() < values.len():
        return "repeated" if _is_about_several(name, kind) else None
    least, most = int(values.min()), int(values.max())  # type: ignore[arg-type]  # whole numbers
    has_no_gap = most - least + 1 == values.len()
    is_ordered = values.len() >= _ENOUGH_ROWS and (values.is_sorted() or values.is_sorted(descending=True))
    is_named = _ROW_NAMES.search(name) or _KEY_NAMES.search(name) or _ID.search(name)
    return "row" if has_no_gap or is_ordered or is_named else None


def _is_about_several(name: str, kind: InferredKind) -> bool:
    """Whether the name says that the values, which repeat, identify what a row is about."""
    distinct = kind.values.drop_nulls().n_unique()
    if kind.kind == "int" and _SUBJECT.search(name):
        return distinct >= _MANY_SUBJECTS
    return bool(_ID.search(name)) and distinct > 2


def _counts_again(values: pl.Series) -> bool:
    """Whether the numbers count up, and begin again several times: the row index of files put one below the other."""
    steps = values.diff().drop_nulls()
    restarts = values.gather((steps != 1).arg_true() + 1)
    return (
        values.null_count() == 0
        and 0 < restarts.len() <= values.len() // _LEAST_COUNT
        and bool((restarts == values[0]).all())
    )


def _names(columns: Collection[str]) -> dict[str, str]:
    """A field name for each column: lower case with underscores, never one that Python or Pydantic uses."""
    names: dict[str, str] = {}
    for column in columns:
        name = _identifier(column)
        while name in names.values():
            name += "_2"
        names[column] = name
    return names


def _identifier(column: str) -> str:
    symbols = column.replace(">", "_over_").replace("<", "_under_").replace("%", "_percent_")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", symbols)
    # Python reads identifiers in this normal form: two look-alike letters would be one name.
    plain = unicodedata.normalize("NFKC", words)
    name = "".join(sign if f"a{sign}".isidentifier() else " " for sign in plain)
    name = re.sub(r"[\s_]+", "_", name).strip("_").lower() or "column"
    if name[0].isdigit():
        name = f"c_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in _RESERVED else name


def _class_name(name: str) -> str:
    words = [word for word in re.split(r"[\W_]+", name) if word]
    text = "".join(word[:1].upper() + word[1:] for word in words) or "Row"
    return f"Row{text}" if text[0].isdigit() else text


def _key(typed: pl.DataFrame, fields: dict[str, InferredField], target: str | None) -> tuple[str, ...]:
    """The column that identifies a row, else a pair that does; names that sound like one come first."""
    usable = [
        name
        for name, field in fields.items()
        if name != target and not field.nullable and field.kind in ("str", "int", "date", "datetime")
    ]
    unique = [name for name in usable if fields[name].distinct == typed.height]
    counted = [name for name in unique if fields[name].identity == "row"]
    named = [name for name in unique if _KEY_NAMES.search(name) or name.endswith("id")]
    if named or counted or unique:
        # A number or an instant may be unique by chance; one that does not sound like a key is not taken for one.
        texts = [name for name in unique if fields[name].kind == "str" and not TIME_NAMES.search(name)]
        return tuple((named or counted or texts)[:1])
    return _pair(typed, fields, [name for name in usable if fields[name].kind in ("str", "date", "datetime")])


def _pair(typed: pl.DataFrame, fields: dict[str, InferredField], usable: list[str]) -> tuple[str, ...]:
    rich = sorted(usable, key=lambda name: -fields[name].distinct)[:5]
    for index, first in enumerate(rich):
        for second in rich[index + 1 :]:
            enough = fields[first].distinct * fields[second].distinct >= typed.height
            if enough and typed.select(pl.struct(first, second).n_unique()).item() == typed.height:
                return tuple(name for name in typed.columns if name in (first, second))
    return ()


def _time(
    typed: pl.DataFrame, fields: dict[str, InferredField], target: str | None
) -> tuple[str | None, pl.Series | None, TimeParts | None]:
    """The time of a row: its name, its values, and the columns that it is joined from."""
    if name := _event_time(fields, target):
        return name, typed[name], None
    parts = find_time_parts(typed.drop(target or [], strict=False))
    return (None, None, None) if parts is None else (parts.name, parts.values(typed), parts)


def _event_time(fields: dict[str, InferredField], target: str | None) -> str | None:
    times = [f for f in fields.values() if f.kind in ("date", "datetime") and not f.nullable and f.name != target]
    events = [field for field in times if not NO_EVENT.search(field.name)]
    named = [field for field in events if TIME_NAMES.search(field.name)]
    chosen = named or events
    begins = [field for field in chosen if not END_NAMES.search(field.name)]
    return next((field.name for field in (*begins, *chosen)), None)


def _task(target: InferredField) -> Literal["binary", "multiclass", "regression"]:
    if target.levels or target.kind in ("str", "bool"):
        return "binary" if target.distinct <= 2 else "multiclass"
    return "regression"


def _with_unknown_labels(fields: Sequence[InferredField], target: str | None) -> tuple[InferredField, ...]:
    """The fields with a target that may be null: the label of a row to be predicted is not known yet."""
    return tuple(replace(field, nullable=field.nullable or field.name == target) for field in fields)


def _task_of(target: InferredField, requested: TaskType | None) -> Literal["binary", "multiclass", "regression"]:
    """The task of the target. Raises `TaskUnfit` where it cannot have the one that a person asks for."""
    task = _task(target)
    is_time = target.kind in ("date", "datetime")
    if is_time or (requested is not None and (task == "regression") != (requested == "regression")):
        raise TaskUnfit(target.name, requested or task, target.kind, target.distinct)
    return task


def _classes(target: InferredField, typed: pl.DataFrame) -> tuple[str | int | bool, ...]:
    if _task(target) == "regression":
        return ()
    return tuple(target.levels) or tuple(typed[target.name].drop_nulls().unique().sort().to_list())


def _positive_share(
    typed: pl.DataFrame, fields: dict[str, InferredField], target: str | None, task: str | None
) -> float | None:
    if target is None or task != "binary":
        return None
    labels = typed[target].drop_nulls()
    positive = _classes(fields[target], typed)[-1:]
    return int((labels == positive[0]).sum()) / max(1, labels.len()) if positive else None
