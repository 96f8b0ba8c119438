"""`Examples`: the rows to predict, each with its cutoff, its label and its entity keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from touchline.features.declaration.code_versions import code_version, short_hash, source_version, values_version
from touchline.ingest import Source

Exclude = Mapping[str, pl.Expr | Sequence[pl.Expr]]


class Examples(BaseModel):
    """The rows to predict: one for each example, with its cutoff, its label and its entity keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    sources: tuple[Source, ...] = Field(min_length=1)
    function: Callable[..., Any]
    description: str = ""
    exclude: Mapping[str, tuple[pl.Expr, ...]] = Field(
        default_factory=dict, description="reason to conditions; an example that meets one of them is not learned from"
    )

    @field_validator("exclude", mode="before")
    @classmethod
    def _conditions(cls, exclude: Exclude) -> dict[str, tuple[pl.Expr, ...]]:
        if not isinstance(exclude, Mapping):
            raise ValueError(
                f"exclude is a {type(exclude).__name__}; give each condition a reason: {{'cancelled': ...}}"
            )
        listed = {
            reason: (conditions,) if isinstance(conditions, pl.Expr) else tuple(conditions)
            for reason, conditions in exclude.items()
        }
        empty = [reason for reason, conditions in listed.items() if not conditions]
        if empty:
            raise ValueError(f"exclude has no condition for {empty[0]!r}; give a polars expression")
        return listed

    def __call__(self, *sources: pl.LazyFrame) -> pl.LazyFrame:
        frame: pl.LazyFrame = self.function(*sources)
        return frame

    @cached_property
    def version(self) -> str:
        """Names the code that makes the examples, what it sees of their sources, and the conditions that exclude."""
        sources = [source_version(self.name, source) for source in self.sources]
        parts: list[object] = [self.name, code_version(self.name, self.function), sources]
        if self.exclude:
            parts.append(values_version(self.name, dict(self.exclude), beside=self.function))
        return short_hash(parts)


def examples(
    *, source: Source | Sequence[Source], exclude: Exclude | None = None
) -> Callable[[Callable[..., Any]], Examples]:
    """Declare examples over a function from source frames to rows with example_id, cutoff, label, label_timestamp.

    `exclude` maps a reason to a condition over these rows, or to several: `{"cancelled": pl.col("is_cancelled")}`.
    A row that meets one is valid data, but is neither learned from nor evaluated, and is not open for prediction.
    """

    def declare(function: Callable[..., Any]) -> Examples:
        return Examples(
            name=function.__name__,
            sources=(source,) if isinstance(source, Source) else tuple(source),
            function=function,
            description=function.__doc__ or "",
            exclude=exclude or {},  # type: ignore[arg-type]  # made tuples by Examples
        )

    return declare
