"""Commands with more options than a function takes parameters: the options are the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Options = TypeVar("Options")


def command_of(options: type[Options], run: Callable[[Options], None]) -> Callable[..., None]:
    """A command for Typer whose arguments and options are the annotated fields; `run` gets them together."""
    hints = get_type_hints(options, include_extras=True)

    def command(**values: Any) -> None:
        run(options(**values))

    fields = inspect.signature(options).parameters.values()
    parameters = [field.replace(annotation=hints[field.name], kind=inspect.Parameter.KEYWORD_ONLY) for field in fields]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect.signature
    command.__annotations__ = {**{field.name: hints[field.name] for field in fields}, "return": None}
    command.__name__, command.__doc__ = run.__name__, run.__doc__
    return command
