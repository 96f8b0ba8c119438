"""Versions and trainings from the command line: the same facts in every form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from touchline.errors import EvidenceMoved, FolderNotEmpty, InvalidEvidence, InvalidFilter, RunNotFound, VersionNotFound

pytestmark = pytest.mark.services


def test_the_list_tells_both_versions_and_their_stages(cli: Cli) -> None:
    found = cli.json("models", "list")
    assert [(one["version"], one["stage"]) for one in found] == [(2, "Staging"), (1, "Production")]
    assert "1.0.0" in cli.run("models", "list")


def test_a_version_is_named_by_number_stage_or_uri(cli: Cli) -> None:
    names = ["1", "1.0.0", "Production", "production", "models:/shop/Production"]
    assert {cli.json("models", "show", name)["version"] for name in names} == {1}
    with pytest.raises(VersionNotFound, match="9"):
        cli.run("models", "show", "9")


def test_the_metric_is_one_number_in_list_card_and_mlflow(cli: Cli) -> None:
    value = cli.json("models", "show", "1")["metrics"]["log_loss"]["value"]
    [run] = [one for one in cli.json("runs", "list") if one["version"] == 1]
    assert run["metrics"]["log_loss"] == value
    assert f"{value:.4g}" in cli.run("models", "card", "1")


def test_two_versions_compare_with_an_interval(cli: Cli) -> None:
    found = cli.json("models", "compare", "2", "1")
    assert found["hashes"]["data"][0] != found["hashes"]["data"][1]
    paired = found["paired"]
    assert paired["low"] <= paired["difference"] <= paired["high"]
    assert "one-sided p = " in cli.run("models", "compare", "2", "1")


def test_the_card_is_a_page_that_stands_alone(cli: Cli, tmp_path: Path) -> None:
    page = tmp_path / "card.html"
    cli.run("models", "card", "--format", "html", "--out", str(page))
    text = page.read_text()
    assert text.startswith("<!doctype html>") or text.startswith("<!DOCTYPE html>")
    assert "Gate results" in text


def test_a_release_is_taken_away_whole(cli: Cli, tmp_path: Path) -> None:
    folder = Path(cli.json("models", "download", "Production", str(tmp_path))["folder"])
    assert (folder / "release.json").is_file()
    with pytest.raises(FolderNotEmpty):
        cli.run("models", "download", "Production", str(tmp_path))


def test_a_version_is_made_again_bit_for_bit(cli: Cli) -> None:
    again = cli.json("models", "reproduce", "1")
    assert again["is_same"]
    assert again["rows"] > 100
    assert again["changed"] == []


def test_runs_are_filtered_sorted_and_compared(cli: Cli) -> None:
    runs = cli.json("runs", "list", "--filter", "log_loss < 10", "--sort", "log_loss")
    losses = [run["metrics"]["log_loss"] for run in runs]
    assert losses == sorted(losses)
    assert cli.json("runs", "best", "log_loss")["metrics"]["log_loss"] == losses[0]
    assert len(cli.json("runs", "compare", "1", "2")["runs"]) == 2
    assert re.search(r"none of \d+ matches 'log_loss < 0'", cli.run("runs", "list", "--filter", "log_loss < 0"))
    with pytest.raises(InvalidFilter):
        cli.run("runs", "list", "--filter", "log_loss ~ 3")
    with pytest.raises(RunNotFound):
        cli.run("runs", "compare", "1", "77")


def test_the_journal_tells_what_was_live_at_an_instant(cli: Cli) -> None:
    assert cli.json("models", "history", "--at", "2024-05-01")["production"] is None
    assert cli.json("models", "history", "--at", "2024-06-02")["production"] == 1
    assert "Staging → Production" in cli.run("models", "history")


def test_a_dry_run_prints_evidence_moves_and_rollback_and_its_hash_promotes(cli: Cli) -> None:
    words = ("models", "promote", "2", "--now", "--reason", "a quiet day")
    text = cli.run(*words, "--dry-run")
    assert "would move version 2: Staging → Production" in text
    assert "would move version 1: Production → Archived" in text
    assert "rollback then returns to version 1" in text
    assert "needs a reason" in cli.run("models", "promote", "2", "--now", "--dry-run", code=2)
    with pytest.raises(InvalidEvidence, match="'deadbeef' is no hash of evidence, which is a number, '-' and 16"):
        cli.run(*words, "--evidence", "deadbeef")
    preview = cli.json(*words, "--dry-run")
    assert f"evidence {preview['evidence']}" in text
    with pytest.raises(EvidenceMoved):
        cli.run(*words, "--evidence", "1-0123456789abcdef")
    assert cli.json("models", "show", "2")["stage"] == "Staging"
    assert "would change nothing" in cli.run("models", "promote", "2", "--dry-run", code=2)
