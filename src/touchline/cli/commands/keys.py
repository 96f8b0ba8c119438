"""`touchline keys`: API keys for the clients of the server."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from touchline import http
from touchline.cli.opening import JsonOption, open_home
from touchline.cli.output import print_json, print_table
from touchline.clock import SystemClock

group = typer.Typer(
    help="API keys. Without any, the server answers only requests from this machine.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="keys")
    group.command("make")(make)
    group.command("list")(list_all)
    group.command("revoke")(revoke)
    group.command("rotate-release")(rotate_release)


def make(
    name: Annotated[str, typer.Argument(help="Name of the client that will use the key.")],
    role: Annotated[
        Literal["viewer", "scorer", "operator", "admin"], typer.Option(help="Role of the client.")
    ] = "scorer",
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it. It cannot be printed again, since the database stores only its hash.

    Example: touchline keys make ingress --role scorer
    """
    text = http.make_key(open_home().database, name, role, now=SystemClock().wall())
    print_json({"name": name, "role": role, "key": text}) if as_json else typer.echo(text)


def list_all(as_json: JsonOption = False) -> None:
    """List the keys, without their secrets.

    Example: touchline keys list
    """
    keys = http.list_keys(open_home().database)
    if as_json:
        print_json(keys)
        return
    rows = ([key.id, key.name, key.role, key.created_at, key.revoked_at] for key in keys)
    print_table("API keys", ["id", "name", "role", "created", "revoked"], rows)


def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `keys list` prints it.")],
    as_json: JsonOption = False,
) -> None:
    """Revoke a key: within a second the server refuses it.

    Example: touchline keys revoke 01JD9Z0V8RQ6W3M4T7K2X5B1NC
    """
    http.revoke_key(open_home().database, key_id, now=SystemClock().wall())
    print_json({"revoked": key_id}) if as_json else typer.echo(f"{key_id} is revoked")


def rotate_release(as_json: JsonOption = False) -> None:
    """Begin a new key that signs releases. Releases that the old key signed stay valid.

    Example: touchline keys rotate-release
    """
    public = open_home().signing.rotate()
    print_json({"public_key": public}) if as_json else typer.echo(f"releases are signed by a new key: {public}")
