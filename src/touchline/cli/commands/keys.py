"""`touchline keys`: API keys for the clients of the server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import typer

from touchline import http
from touchline.cli.opening import JsonOption, actor, open_home
from touchline.cli.output import print_json, print_table
from touchline.clock import SystemClock

group = typer.Typer(
    help="API keys. Without any, the server answers only requests from this machine.", no_args_is_help=True
)

KeyArgument = Annotated[
    str,
    typer.Argument(metavar="KEY", help="Id of the key, as `keys list` prints it, or a name that one valid key has."),
]
ReasonOption = Annotated[str, typer.Option(help="Why, for the journal of the keys.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="keys")
    group.command("make")(make)
    group.command("list")(list_all)
    group.command("rotate")(rotate)
    group.command("revoke")(revoke)
    group.command("history")(history)
    group.command("rotate-release")(rotate_release)


def make(
    name: Annotated[str, typer.Argument(help="Name of the client that will use the key.")],
    role: Annotated[
        Literal["viewer", "scorer", "operator", "admin"], typer.Option(help="Role of the client.")
    ] = "scorer",
    *,
    days: Annotated[int | None, typer.Option(min=1, help="Days after which it expires; default: never.")] = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it. It cannot be printed again, since the database stores only its hash.

    Example: touchline keys make ingress --role scorer
    """
    lasts = None if days is None else timedelta(days=days)
    by = http.KeyDecision(actor(), reason)
    text = http.make_key(open_home().database, name, role, now=SystemClock().wall(), lasts=lasts, by=by)
    print_json({"name": name, "role": role, "key": text}) if as_json else typer.echo(text)


def list_all(as_json: JsonOption = False) -> None:
    """List the keys, without their secrets.

    Example: touchline keys list
    """
    keys = http.list_keys(open_home().database)
    if as_json:
        print_json(keys)
        return
    now = SystemClock().wall()
    rows = (
        [key.id, key.name, key.role, key.state(now), key.created_at, key.last_used_at, key.expires_at, key.revoked_at]
        for key in keys
    )
    typer.echo(http.keys_sentence(keys, now))
    print_table("API keys", ["id", "name", "role", "state", "created", "last used", "expires", "revoked"], rows)


def rotate(
    key: KeyArgument,
    reason: ReasonOption = "",
    *,
    days: Annotated[int, typer.Option(min=0, help="Days for which the old key still works.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make a new key of the same name and role and print it; the old one expires after some days.

    Example: touchline keys rotate 01JD9Z0V8RQ6W3M4T7K2X5B1NC --days 7 --reason "every quarter"
    """
    now, by, database = SystemClock().wall(), http.KeyDecision(actor(), reason), open_home().database
    key_id = http.find_key(database, key, now=now)
    text = http.rotate_key(database, key_id, now=now, overlap=timedelta(days=days), by=by)
    print_json({"rotated": key_id, "key": text}) if as_json else typer.echo(text)


def revoke(
    key: KeyArgument,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Revoke a key: within a second the server refuses it.

    Example: touchline keys revoke 01JD9Z0V8RQ6W3M4T7K2X5B1NC
    """
    now, by, database = SystemClock().wall(), http.KeyDecision(actor(), reason), open_home().database
    key_id = http.find_key(database, key, now=now)
    http.revoke_key(database, key_id, now=now, by=by)
    print_json({"revoked": key_id}) if as_json else typer.echo(f"{key_id} is revoked")


def history(
    limit: Annotated[int, typer.Option(min=1, help="Number of changes to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List who made, rotated or revoked which key, and why.

    Example: touchline keys history
    """
    changes = http.key_history(open_home().database, limit=limit)
    if as_json:
        print_json(changes)
        return
    rows = ([one.at, one.act, one.key_id, one.actor, one.reason] for one in changes)
    print_table("changes of API keys", ["when", "change", "key", "by", "reason"], rows)


def rotate_release(as_json: JsonOption = False) -> None:
    """Begin a new key that signs releases. Releases that the old key signed stay valid.

    Example: touchline keys rotate-release
    """
    public = open_home().signing.rotate()
    print_json({"public_key": public}) if as_json else typer.echo(f"releases are signed by a new key: {public}")
