"""The `touchline` command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from touchline import errors
from touchline.cli.commands import (
    alerts,
    backtest,
    backup,
    data,
    features,
    keys,
    models,
    monitor,
    predictions,
    project,
    rehearse,
    rollout,
    schedule,
    serve,
    system,
    train,
)

app = typer.Typer(
    name="touchline",
    help="The whole life of a predictive model from one declaration.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for module in (
    project,
    data,
    features,
    train,
    models,
    rollout,
    schedule,
    rehearse,
    backtest,
    serve,
    predictions,
    monitor,
    alerts,
    keys,
    backup,
    system,
):
    module.register(app)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from importlib.metadata import version

        typer.echo(f"touchline {version('touchline')}")
        raise typer.Exit


@app.callback()
def touchline(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The whole life of a predictive model from one declaration.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a gate.
    """


def command_line() -> TyperGroup:
    """The command; an option that needs a value takes no other option for it, such as `--systemd --help`."""
    command = cast(TyperGroup, typer.main.get_command(app))
    _require_values(command)
    return command


def _require_values(command: Any) -> None:
    for option in command.params:
        option.process_value = _in_our_words(option.process_value)
        if option.param_type_name == "option" and not getattr(option, "is_flag", False):
            option.callback = _with_value(option.callback)
    for part in getattr(command, "commands", {}).values():
        _require_values(part)


def _in_our_words(process: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The reading of a value, whose fault is told without the kind of error that Pydantic names."""

    def processed(context: Any, value: Any) -> Any:
        try:
            return process(context, value)
        except typer.BadParameter as wrong:
            wrong.message = errors.without_error_kind(wrong.message)
            raise

    return processed


def _with_value(callback: Callable[..., Any] | None) -> Callable[..., Any]:
    def check(context: Any, option: Any, value: Any) -> Any:
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, (str, Path)) and str(one).startswith("--"):
                raise typer.BadParameter(f"it needs a value; {str(one)!r} is an option", ctx=context, param=option)
        return value if callback is None else callback(context, option, value)

    return check


def main() -> None:
    """Run the command line; expected errors print their message, not a traceback."""
    try:
        command_line()()
    except errors.UsageError as error:
        _exit(error, 2)
    except errors.GateFailed as refusal:
        _exit(refusal, 3)
    except errors.TouchlineError as error:
        _exit(error, 1)
    except KeyboardInterrupt:
        _exit("Stopped. Finished steps are stored; the same command continues from there.", 130)


def _exit(message: object, code: int) -> None:
    typer.secho(str(message), fg="red" if code != 3 else "yellow", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
