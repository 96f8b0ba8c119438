"""A contract compiled to columnar checks."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from types import new_class
from typing import Any

import dataframely as dy
import polars as pl

from touchline.contracts.contract import Contract, checks_of
from touchline.contracts.fields import FieldSpec, read_fields, refuse
from touchline.contracts.parse import DTYPES, ParsedColumn, expectation, parse_column
from touchline.contracts.rejected_rows import join_rejected, rejected_rows
from touchline.contracts.rules import dataframely_column, field_checks
from touchline.errors import ColumnsMismatch

_ROW = "__row__"
_WORTH_THREADS = 50_000


@dataclass(frozen=True)
class CheckedRows:
    """A batch split in two: rows in the contract's types, and one line per broken rule of the others.

    `positions` holds, for each accepted row, its position in the batch.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    positions: pl.Series


@dataclass(frozen=True)
class _Rule:
    sentence: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class CompiledContract:
    """A compiled contract: checks a million rows at once."""

    contract: type[Contract]
    fields: dict[str, FieldSpec]
    schema_hash: str
    _schema: Any = field(repr=False, compare=False)
    _rules: dict[str, _Rule] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.contract.__name__

    @property
    def columns(self) -> dict[str, pl.DataType]:
        return {name: DTYPES[spec.kind] for name, spec in self.fields.items()}

    @property
    def nullable(self) -> frozenset[str]:
        return frozenset(name for name, spec in self.fields.items() if spec.nullable)

    def json_schema(self) -> dict[str, Any]:
        return self.contract.model_json_schema()

    def check_columns(self, columns: list[str], *, table: str) -> None:
        """Raises `ColumnsMismatch` when a column is unknown or a required one is absent."""
        missing = [name for name, spec in self.fields.items() if spec.required and name not in columns]
        extra = [name for name in columns if name not in self.fields]
        if missing or extra:
            raise ColumnsMismatch(table, missing=missing, extra=extra, allowed=self.fields)

    def check(self, frame: pl.DataFrame, *, zone: str = "UTC", table: str = "") -> CheckedRows:
        """Split `frame` into rows that keep every rule and rows that break some.

        Text columns are parsed, naive times taken in `zone`; an absent optional column gets its default,
        and so does a null where null is not allowed.
        """
        self.check_columns(frame.columns, table=table or self.name)
        parsed, failures = self._parse(frame, zone)
        good, broken = self._schema.filter(parsed.with_row_index(_ROW))
        lines = [self._parse_lines(frame, name, failed) for name, failed in failures.items()]
        lines += self._rule_lines(frame, broken, failures)
        if failures:
            bad = pl.any_horizontal([failed.alias(name) for name, failed in failures.items()])
            unparsed = (
                pl.DataFrame().select(bad.alias("bad"))["bad"] if not frame.height else frame.select(bad=bad)["bad"]
            )
            good = good.filter(~unparsed.gather(good[_ROW]))
        return CheckedRows(good.drop(_ROW), join_rejected(lines), good[_ROW])

    @property
    def has_dataset_checks(self) -> bool:
        return bool(checks_of(self.contract, "dataset"))

    def check_dataset(self, frame: pl.DataFrame) -> list[str]:
        """The messages of the dataset checks that do not hold on the whole table."""
        found = []
        for name, check in checks_of(self.contract, "dataset").items():
            message = check(frame)
            if message:
                found.append(f"{name}: {message}")
        return found

    def _parse(self, frame: pl.DataFrame, zone: str) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
        def parse(spec: FieldSpec) -> ParsedColumn:
            if spec.name in frame.columns:
                column = parse_column(spec, frame[spec.name], zone)
                if spec.default is None or spec.nullable:
                    return column
                return ParsedColumn(column.values.fill_null(spec.default), column.failed)
            default = pl.Series(spec.name, [spec.default], dtype=DTYPES[spec.kind])
            return ParsedColumn(default.new_from_index(0, frame.height), None)

        if frame.height < _WORTH_THREADS:
            parsed = [parse(spec) for spec in self.fields.values()]
        else:
            with ThreadPoolExecutor() as pool:
                parsed = list(pool.map(parse, self.fields.values()))
        named = dict(zip(self.fields, parsed, strict=True))
        failures = {name: column.failed for name, column in named.items() if column.failed is not None}
        return pl.DataFrame([column.values.alias(name) for name, column in named.items()]), failures

    def _parse_lines(self, frame: pl.DataFrame, name: str, failed: pl.Series) -> pl.DataFrame:
        return rejected_rows(frame, failed.arg_true(), rule=expectation(self.fields[name]), columns=(name,))

    def _rule_lines(self, frame: pl.DataFrame, broken: Any, failures: dict[str, pl.Series]) -> list[pl.DataFrame]:
        if not broken.counts():
            return []
        details, lines = broken.details(), []
        for rule_column in broken.counts():
            rule = self._rules[rule_column]
            rows = details.filter(pl.col(rule_column) == "invalid")[_ROW]
            if rule.columns[0] in failures:  # its null stands for the value that did not parse
                rows = rows.filter(~failures[rule.columns[0]].gather(rows))
            lines.append(rejected_rows(frame, rows, rule=rule.sentence, columns=rule.columns))
        return lines


@cache
def compile_contract(contract: type[Contract]) -> CompiledContract:
    """The contract's columnar form; raises `InvalidContract` for what has none.

    >>> class Game(Contract):
    ...     game_id: str
    ...     points: int | None = None
    >>> games = pl.DataFrame({"game_id": ["a", "b"], "points": ["3", "three"]})
    >>> compile_contract(Game).check(games).rejected["rule"][0]
    'points is a whole number'
    """
    fields = read_fields(contract)
    namespace: dict[str, Any] = {"row": dy.UInt32(alias=_ROW, nullable=True)}
    rules: dict[str, _Rule] = {}
    for index, (name, spec) in enumerate(fields.items()):
        checks = field_checks(spec)
        namespace[f"c{index}"] = dataframely_column(spec, checks)
        rules[f"{name}|nullability"] = _Rule(f"{name} is not null", (name,))
        rules.update({f"{name}|check__r{n}": _Rule(text, (name,)) for n, text in enumerate(checks)})
    for index, (name, check) in enumerate(checks_of(contract, "row").items()):
        expression = _row_expression(contract, name, check, fields)
        namespace[f"k{index}"] = dy.rule()(_constant(expression))
        rules[f"k{index}"] = _Rule(name, tuple(expression.meta.root_names()))
    schema = new_class(contract.__name__, (dy.Schema,), exec_body=lambda body: body.update(namespace))
    _try_on_no_rows(contract, schema, fields)
    return CompiledContract(contract, fields, _schema_hash(contract, fields), schema, rules)


def _constant(expression: pl.Expr) -> Callable[[Any], pl.Expr]:
    return lambda _schema: expression


def _row_expression(contract: type[Contract], name: str, check: Any, fields: dict[str, FieldSpec]) -> pl.Expr:
    expression = check()
    if not isinstance(expression, pl.Expr):
        raise refuse(contract, None, f"row check {name!r} returns {type(expression).__name__}", "Return a polars Expr.")
    unknown = [column for column in expression.meta.root_names() if column not in fields]
    if unknown:
        raise refuse(contract, None, f"row check {name!r} reads the unknown column {unknown[0]!r}", "Correct the name.")
    return expression


def _try_on_no_rows(contract: type[Contract], schema: Any, fields: dict[str, FieldSpec]) -> None:
    empty = pl.DataFrame(schema={_ROW: pl.UInt32, **{name: DTYPES[spec.kind] for name, spec in fields.items()}})
    try:
        schema.filter(empty)
    except (pl.exceptions.PolarsError, TypeError) as wrong:
        reason = str(wrong).strip().splitlines()[0]
        raise refuse(contract, None, f"a rule cannot be evaluated: {reason}", "Correct the constraint.") from wrong


def _schema_hash(contract: type[Contract], fields: dict[str, FieldSpec]) -> str:
    """Changes when what the contract accepts may change: fields, constraints, and the code of its checks."""
    checks = {
        f"{kind}:{name}": _source(check)
        for kind in ("row", "dataset")
        for name, check in checks_of(contract, kind).items()
    }
    described = {"fields": [asdict(spec) for spec in fields.values()], "checks": checks}
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def _source(check: Any) -> str:
    try:
        return inspect.getsource(check)
    except (OSError, TypeError):
        return str(check.__qualname__)
