"""What a person asks every day: data, features, the clock, the plan; and what a wrong word is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from tests.cli.conftest import Cli
from touchline.cli.main import app
from touchline.errors import FolderMissing, InvalidInstant, ProjectNotFound, UnknownPrediction, UsageError

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


def test_a_word_that_is_no_instant_is_answered_with_the_form(cli: Cli) -> None:
    with pytest.raises(InvalidInstant, match=r"'notadate' is no instant. Write 2009-04-18 or 2009-04-18T12:00"):
        cli.run("clock", "advance", "notadate")


def test_a_snapshot_is_written_only_to_a_folder_that_exists(cli: Cli, tmp_path: Path) -> None:
    snapshot = cli.json("data", "log")[0]["snapshot_hash"]
    with pytest.raises(
        FolderMissing, match=r"The folder .*typo of visits.parquet does not exist. Make it first: mkdir -p"
    ):
        cli.run("data", "checkout", snapshot, "--out", str(tmp_path / "typo" / "visits.parquet"))
    with pytest.raises(FolderMissing, match=r"is a folder. Name a file in it"):
        cli.run("data", "checkout", snapshot, "--out", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    cli.run("data", "checkout", snapshot, "--out", str(tmp_path / "visits.parquet"))


def test_a_wrong_name_is_answered_with_the_nearest(cli: Cli) -> None:
    with pytest.raises(ProjectNotFound, match="shop"):
        cli.run("plan", "-p", "shpo")
    with pytest.raises(UsageError, match="visits"):
        cli.run("data", "show", "visit")


def test_what_was_never_predicted_cannot_be_traced(cli: Cli) -> None:
    for command in ("trace", "replay"):
        with pytest.raises(
            UnknownPrediction, match=r"The prediction log has no '01JD.* `touchline outcomes -p PROJECT`"
        ):
            cli.run(command, "01JD9Z0V8RQ6W3M4T7K2X5B1NC")
        with pytest.raises(UnknownPrediction, match=r"has no 'abc'\. An id has 26 capital letters and digits"):
            cli.run(command, "abc")
    assert cli.json("outcomes") == []


def test_every_command_has_help_with_an_example() -> None:
    lacking = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # the root is a group
        below = getattr(command, "commands", {name: command})
        lacking += [f"{name} {leaf}" for leaf, one in below.items() if "Example: touchline " not in (one.help or "")]
    assert lacking == []
