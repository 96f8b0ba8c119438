"""`Contract`: one row of a table, as people write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

if TYPE_CHECKING:
    import polars as pl


class Contract(BaseModel):
    """One row of a table: subclass it, one annotated field per column.

    >>> class Lead(Contract):
    ...     lead_id: str
    ...     visits: int | None = None
    >>> Lead(lead_id="a", visits=3).visits
    3
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class DateFormat:
    """The spellings a date or datetime column may have in text, tried in order; ISO 8601 when not given.

    Used as `Annotated[date, DateFormat("%d/%m/%Y", "%d/%m/%y")]`. A value that fits none is rejected.
    """

    formats: tuple[str, ...]

    def __init__(self, *formats: str) -> None:
        object.__setattr__(self, "formats", formats)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The spellings as `dateFormats`, so that a request may have the text of a file."""
        return {**handler(schema), "dateFormats": list(self.formats)}


class _DatasetCheck(classmethod):  # type: ignore[type-arg]  # a mark that Pydantic leaves alone
    """A class method that looks at the whole table."""


class _RowCheck(classmethod):  # type: ignore[type-arg]  # a mark that Pydantic leaves alone
    """A class method that gives the rule of a row as an expression."""


def dataset_check(method: Callable[[Any, pl.DataFrame], str | None]) -> Any:
    """Mark a method that sees the whole table and returns a message when the batch must not be taken."""
    return _DatasetCheck(method)


def row_check(method: Callable[[Any], pl.Expr]) -> Any:
    """Mark a method that returns an expression over the columns: true, or null, for a good row."""
    return _RowCheck(method)


def checks_of(contract: type[Contract], kind: str) -> dict[str, Callable[..., Any]]:
    """The contract's marked methods by name, its parents' first; `kind` is "dataset" or "row"."""
    mark = _DatasetCheck if kind == "dataset" else _RowCheck
    names: dict[str, None] = {}
    for parent in reversed(contract.__mro__):
        names.update({name: None for name, value in vars(parent).items() if isinstance(value, mark)})
    return {name: getattr(contract, name) for name in names}
