"""What a person asks every day: data, features, the clock, the plan; and what a wrong word is answered."""

from __future__ import annotations

import pytest
from typer.main import get_command

from tests.cli.conftest import Cli
from touchline.cli.main import app
from touchline.errors import ProjectNotFound, UnknownPrediction, UsageError

pytestmark = pytest.mark.services


def test_the_ingest_log_names_snapshot_and_counts(cli: Cli) -> None:
    newest, first = cli.json("data", "log")  # the same file, later: results are known that were hidden
    assert [one["status"] for one in (newest, first)] == ["new", "new"]
    assert (newest["accepted"], newest["rejected"]) == (1600, 0)
    assert newest["snapshot_hash"][:12] in cli.run("data", "show")


def test_features_are_read_with_their_status(cli: Cli) -> None:
    assert "present" in str(cli.json("features", "get", "spending", "customer=c11"))
    assert "spending" in cli.run("features", "stats")


def test_the_clock_and_the_plan_agree_with_what_was_trained(cli: Cli) -> None:
    assert "2024-06-06" in cli.run("clock", "show")
    assert cli.json("plan")["changes"] == []


def test_a_wrong_name_is_answered_with_the_nearest(cli: Cli) -> None:
    with pytest.raises(ProjectNotFound, match="shop"):
        cli.run("plan", "-p", "shpo")
    with pytest.raises(UsageError, match="visits"):
        cli.run("data", "show", "visit")


def test_what_was_never_predicted_cannot_be_traced(cli: Cli) -> None:
    with pytest.raises(UnknownPrediction):
        cli.run("trace", "01JD9Z0V8RQ6W3M4T7K2X5B1NC")
    assert cli.json("outcomes") == []


def test_every_command_has_help_with_an_example() -> None:
    lacking = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # the root is a group
        below = getattr(command, "commands", {name: command})
        lacking += [f"{name} {leaf}" for leaf, one in below.items() if "Example: touchline " not in (one.help or "")]
    assert lacking == []
