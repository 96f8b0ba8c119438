"""`touchline keys`: who may ask the server."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from touchline.cli.opening import JsonOption, open_home
from touchline.cli.output import print_json, print_table

keys = typer.Typer(help="API keys; none is needed on this machine alone.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="keys")
    keys.command("make")(make)
    keys.command("list")(list_all)
    keys.command("revoke")(revoke)


def make(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[Literal["viewer", "scorer", "operator", "admin"], typer.Option(help="What it may do.")] = "scorer",
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once: the database keeps a hash.

    Example: touchline keys make ingress --role scorer
    """
    from touchline.clock import SystemClock
    from touchline.http import make_key

    text = make_key(open_home().database, name, role, now=SystemClock().wall())
    print_json({"name": name, "role": role, "key": text}) if as_json else typer.echo(text)


def list_all(as_json: JsonOption = False) -> None:
    """List the keys, without their secrets.

    Example: touchline keys list
    """
    from touchline.http import list_keys

    found = list_keys(open_home().database)
    if as_json:
        print_json(found)
        return
    rows = ([key.id, key.name, key.role, key.created_at, key.revoked_at] for key in found)
    print_table("API keys", ["id", "name", "role", "made", "revoked"], rows)


def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")], as_json: JsonOption = False
) -> None:
    """Make a key stop working, within a second.

    Example: touchline keys revoke 01JD9Z0V8RQ6W3M4T7K2X5B1NC
    """
    from touchline.clock import SystemClock
    from touchline.http import revoke_key

    revoke_key(open_home().database, key_id, now=SystemClock().wall())
    print_json({"revoked": key_id}) if as_json else typer.echo(f"{key_id} is revoked")
