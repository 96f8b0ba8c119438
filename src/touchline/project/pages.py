"""A page that a project adds to the dashboard, made of generic parts.

The project computes the numbers; the dashboard draws text, tables, intervals and forms, and knows no project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Cell = str | int | float | bool | None
_PATH = re.compile(r"[a-z][a-z0-9-]{0,30}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class TextPart(_Part):
    """A paragraph."""

    kind: Literal["text"] = "text"
    text: str


class TablePart(_Part):
    """Rows of a table.

    The first cell of a row leads to the item of this page in `items`, or to the explanation of the prediction in
    `predictions`, where the row has one.
    """

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    items: tuple[str | None, ...] = ()
    predictions: tuple[str | None, ...] = ()
    empty: str = Field("Nothing yet.", description="what to do where it has no row")


class IntervalRow(_Part):
    """One value; `mark` is a value to compare it with."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    mark: float | None = None


class IntervalsPart(_Part):
    """Values on one scale, with their intervals where they have any."""

    kind: Literal["intervals"] = "intervals"
    title: str
    rows: tuple[IntervalRow, ...]
    mark_name: str | None = None


class FormField(_Part):
    """One field. A name with dots is a field within a document, such as `odds.home`.

    `numbers` are whole numbers with commas between them. `entities` names the kind of entity (its plural) whose keys
    are offered; others may be entered too.
    """

    name: str
    label: str
    kind: Literal["text", "number", "numbers", "flag"] = "text"
    is_required: bool = False
    value: Cell = Field(None, description="what it holds at first")
    entities: str | None = None


class FormRows(_Part):
    """A list of documents in the body: one row of fields each, with buttons to add and to remove one."""

    name: str
    label: str
    fields: tuple[FormField, ...]
    most: int = 60


class FormPart(_Part):
    """A form that is sent to one of the project's own routes, such as `/api/orders`.

    Empty fields are left out of the body. `item` names the field of the response whose item is shown next.
    """

    kind: Literal["form"] = "form"
    title: str
    effect: str = Field(description="what sending it does, in words")
    route: str = Field(pattern=r"^/api/[a-z]")
    button: str
    fields: tuple[FormField, ...] = ()
    rows: FormRows | None = None
    item: str | None = None


Part = Annotated[TextPart | TablePart | IntervalsPart | FormPart, Field(discriminator="kind")]


class PageContent(_Part):
    """What a page shows now: its verdict in one sentence, then its parts."""

    sentence: str
    tone: Literal["good", "watch", "bad", "plain"] = "plain"
    parts: tuple[Part, ...] = ()


class Page(BaseModel):
    """A page of a project: `content` gets the project's `RouteContext`, and the item in the address or None.

    >>> Page(path="orders", title="Orders", content=lambda context, item: PageContent(sentence="No order.")).title
    'Orders'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    title: str
    content: Callable[[Any, str | None], PageContent]

    @field_validator("path")
    @classmethod
    def _usable_path(cls, path: str) -> str:
        if not _PATH.fullmatch(path) or path in BUILT_IN:
            raise ValueError(
                f"{path!r} cannot be the path of a page: use a lower-case letter, then letters, digits or '-', and "
                f"none of {', '.join(BUILT_IN)}, which every project has"
            )
        return path


BUILT_IN: Sequence[str] = (
    *("alerts", "automation", "data", "explain", "features", "health"),
    *("models", "rehearsal", "rollout", "runs", "system"),
)
