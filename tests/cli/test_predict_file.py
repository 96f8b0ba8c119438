"""A file is scored by the release in Production, as the server would answer each of its rows."""

from __future__ import annotations

from pathlib import Path

import httpx
import polars as pl
import pytest

from tests.cli.conftest import Cli, a_shop
from tests.serving.builders import on_loopback
from touchline.cli.opening import open_home
from touchline.cli.processes.apps import create_serving_app
from touchline.errors import MissingColumns, NothingInProduction, OptionUnused, OverwritesItsInput, TableFormatUnknown

pytestmark = pytest.mark.services


def test_a_file_gets_the_predictions_of_the_server(cli: Cli, tmp_path: Path) -> None:
    customers = [f"c{number}" for number in range(12)]
    file = tmp_path / "requests.csv"
    pl.DataFrame({"customer": customers, "remark": "x"}).write_csv(file)
    scored = cli.json("predict", "--file", str(file))
    assert (scored["rows"], scored["refused"], Path(scored["file"]).name) == (12, 0, "requests_predictions.csv")
    rows = pl.read_csv(scored["file"])
    assert rows["remark"].to_list() == ["x"] * 12
    app = create_serving_app(open_home(), [cli.place / "projects" / "shop"], host="127.0.0.1")
    with on_loopback(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        for customer, row in zip(customers, rows.to_dicts(), strict=True):
            response = client.post("/predict", json={"customer": customer}).json()
            assert row["release"] == scored["release"] == response["release"]
            assert [row["p_yes"], row["p_no"]] == pytest.approx([response["probabilities"][k] for k in ("yes", "no")])


def test_an_invalid_row_has_no_prediction_and_says_why(cli: Cli, tmp_path: Path) -> None:
    file, target = tmp_path / "requests.csv", tmp_path / "answers.parquet"
    file.write_text("customer,cutoff\nc1,2024-06-01T00:00:00Z\nc2,yesterday\n")
    printed = cli.run("predict", "--file", str(file), "--out", str(target))
    assert printed.splitlines()[-1] == "1 of them has no prediction: it does not fit, and `problem` says why"
    rows = pl.read_parquet(target)
    assert rows["cutoff"].to_list() == ["2024-06-01T00:00:00Z", "yesterday"]
    assert rows["p_yes"].is_null().to_list() == [False, True]
    assert "cutoff" in rows["problem"][1]


@pytest.mark.parametrize("name", ["scored.xlsx", "scored"])
def test_a_name_of_another_format_is_refused_before_anything_is_scored(cli: Cli, tmp_path: Path, name: str) -> None:
    file = tmp_path / "requests.csv"
    file.write_text("customer\nc1\n")
    with pytest.raises(
        TableFormatUnknown, match=r"written as \.csv or \.parquet\. Name it scored\.csv or scored\.parquet"
    ):
        cli.run("predict", "--file", str(file), "--out", str(tmp_path / name))
    assert [path.name for path in tmp_path.glob("scored*")] == []


def test_the_file_that_is_read_is_never_written(cli: Cli, tmp_path: Path) -> None:
    file, link = tmp_path / "requests.csv", tmp_path / "link.csv"
    file.write_text("customer\nc1\n")
    link.symlink_to(file)
    for target in (file, link):
        with pytest.raises(OverwritesItsInput, match="is the file that is read"):
            cli.run("predict", "--file", str(file), "--out", str(target))
    assert file.read_text() == "customer\nc1\n"


def test_what_would_have_no_effect_is_refused(cli: Cli, tmp_path: Path) -> None:
    with pytest.raises(OptionUnused, match="--out would have no effect: it goes with --file"):
        cli.run("predict", "customer=c1", "--out", str(tmp_path / "one.csv"))
    with pytest.raises(OptionUnused, match="The field 'customer=c1' would have no effect"):
        cli.run("predict", "customer=c1", "--file", str(tmp_path / "requests.csv"))


def test_a_file_without_a_needed_column_or_a_project_without_a_release_is_refused(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    file.write_text("client\nc1\n")
    with pytest.raises(MissingColumns, match="customer"):
        cli.run("predict", "--file", str(file))
    with a_shop(tmp_path / "new") as untrained, pytest.raises(NothingInProduction, match="shop"):
        untrained.run("predict", "--file", str(file))
