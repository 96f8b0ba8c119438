"""The `touchline` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from touchline.cli.commands import data, features, keys, models, operate, predictions, project, serve, system, train

app = typer.Typer(
    name="touchline",
    help="The whole life of a predictive model from one declaration.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for module in (project, data, features, train, models, serve, predictions, operate, keys, system):
    module.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"touchline {version('touchline')}")
        raise typer.Exit


@app.callback()
def touchline(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The whole life of a predictive model from one declaration.

    Exit codes: 0 done, 1 failed, 2 used wrongly, 3 a gate said no.
    """


def main() -> None:
    """Run the command line; expected errors print their message, not a traceback."""
    from touchline.errors import GateFailed, TouchlineError, UsageError

    try:
        app()
    except UsageError as wrong:
        _complain(wrong, 2)
    except GateFailed as refused:
        _complain(refused, 3)
    except TouchlineError as failed:
        _complain(failed, 1)
    except KeyboardInterrupt:
        _complain("Stopped. What was finished is kept; the same command carries on.", 130)


def _complain(message: object, code: int) -> None:
    typer.secho(str(message), fg="red" if code != 3 else "yellow", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
