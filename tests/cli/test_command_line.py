"""Words of a command that stand in the wrong place."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from touchline.cli.main import command_line


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["keys", "make", "front", "--role", "boss"], "'boss' is not one of 'viewer', 'scorer', 'operator', 'admin'."),
        (["keys", "make", "front", "--days", "0"], "Input should be greater than or equal to 1"),
        (["backtest", "--refit", "hourly"], "'hourly' is not one of"),
    ],
)
def test_a_wrong_value_is_told_without_the_kind_of_error(words: list[str], fault: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        command_line().main(words, standalone_mode=False)
    assert refused.value.message.startswith(fault)


@pytest.mark.parametrize(
    "words",
    [
        ["up", "--systemd", "--help"],
        ["backup", "restore", "--into", "--from", "backups"],
        ["models", "list", "--project", "--json"],
    ],
)
def test_an_option_is_no_value_of_the_option_before_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    option = next(word for word in words if word.startswith("--"))
    with pytest.raises(typer.BadParameter, match=r"it needs a value; '--[a-z]+' is an option") as refused:
        command_line().main(words, standalone_mode=False)
    assert refused.value.param is not None
    assert option in refused.value.param.opts
    assert not list(tmp_path.iterdir())
