"""A contract as a person reads it: every column with its rules, and the checks of rows and of the whole table."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from touchline.contracts.contract import Contract, checks_of
from touchline.contracts.fields import read_fields
from touchline.contracts.parse import expectation
from touchline.contracts.rules import field_checks


@dataclass(frozen=True)
class ContractColumn:
    """One column: whether nulls may be in it, its default as text, and the rules in the words of the quarantine."""

    name: str
    kind: str
    nullable: bool
    default: str | None
    rules: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class ContractCheck:
    """A check that the contract's author wrote; `scope` is row or table. `about` is the first line of its docstring."""

    name: str
    scope: str
    about: str


@dataclass(frozen=True)
class DescribedContract:
    """The contract of a table."""

    name: str
    about: str
    columns: tuple[ContractColumn, ...]
    checks: tuple[ContractCheck, ...]


def describe_contract(contract: type[Contract]) -> DescribedContract:
    """The columns and the checks of a contract, in the order of their declaration.

    >>> class Game(Contract):
    ...     game_id: str
    ...     points: int | None = None
    >>> [(column.name, column.rules) for column in describe_contract(Game).columns]
    [('game_id', ('game_id is text', 'game_id is not null')), ('points', ('points is a whole number',))]
    """
    columns = []
    for name, spec in read_fields(contract).items():
        not_null = () if spec.nullable else (f"{name} is not null",)
        rules = (expectation(spec), *not_null, *field_checks(spec))
        default = None if spec.default is None else str(spec.default)
        about = contract.model_fields[name].description or ""
        columns.append(ContractColumn(name, spec.kind, spec.nullable, default, rules, about))
    checks = [
        ContractCheck(name, scope, _first_line(check.__doc__))
        for scope, kind in (("row", "row"), ("table", "dataset"))
        for name, check in checks_of(contract, kind).items()
    ]
    # A contract without a docstring inherits pydantic's, which says nothing about the table.
    about = _first_line(vars(contract).get("__doc__"))
    return DescribedContract(contract.__name__, about, tuple(columns), tuple(checks))


def _first_line(doc: str | None) -> str:
    return inspect.cleandoc(doc).partition("\n")[0] if doc else ""
