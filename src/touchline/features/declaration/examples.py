"""`Examples`: the rows to predict, each with its cutoff, its label and its entity keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from touchline.features.declaration.code_versions import code_version, short_hash, source_version
from touchline.ingest import Source

if TYPE_CHECKING:
    import polars as pl


class Examples(BaseModel):
    """The rows to predict: one for each example, with its cutoff, its label and its entity keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str
    sources: tuple[Source, ...] = Field(min_length=1)
    function: Callable[..., Any]
    description: str = ""

    def __call__(self, *sources: pl.LazyFrame) -> pl.LazyFrame:
        frame: pl.LazyFrame = self.function(*sources)
        return frame

    @cached_property
    def version(self) -> str:
        """Names the code that makes the examples, and what it sees of their sources."""
        sources = [source_version(self.name, source) for source in self.sources]
        return short_hash([self.name, code_version(self.name, self.function), sources])


def examples(*, source: Source | Sequence[Source]) -> Callable[[Callable[..., Any]], Examples]:
    """Declare examples over a function from source frames to rows with example_id, cutoff, label, label_timestamp."""

    def declare(function: Callable[..., Any]) -> Examples:
        return Examples(
            name=function.__name__,
            sources=(source,) if isinstance(source, Source) else tuple(source),
            function=function,
            description=function.__doc__ or "",
        )

    return declare
