"""A project written from a table alone: it loads as it is, and tells what was assumed."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

import pytest

from touchline.errors import NothingToLearnFrom, ProjectExists, SourceFileMissing
from touchline.project import load_project, write_project


def a_table(rows: int = 200, *, delimiter: str = ",") -> bytes:
    random = Random(3)
    lines = [delimiter.join(["Customer ID", "Signed up", "Plan", "Age", "Churned?"])]
    for number in range(rows):
        day = f"2024-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
        plan, age = random.choice(["basic", "plus"]), str(random.randrange(18, 90))
        lines.append(delimiter.join([f"c{number}", day, plan, age, random.choice(["yes", "no"])]))
    return "\n".join(lines).encode() + b"\n"


def test_a_written_project_loads_with_key_time_classes_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(a_table())
    written = write_project("churn", data=tmp_path / "customers.csv", target="Churned?", base=tmp_path)
    assert (written.rows, written.columns, written.task) == (200, 5, "binary")
    project = load_project("churn", base=tmp_path).project
    [source] = project.sources
    assert (source.keys, source.event_time) == (("customer_id",), "signed_up")
    assert project.task.classes == ("no", "yes")
    assert project.task.inputs == ("plan", "age")


def test_delimiter_and_compression_are_found_out(tmp_path: Path) -> None:
    (tmp_path / "customers.csv.gz").write_bytes(gzip.compress(a_table(delimiter=";")))
    write_project("churn", data=tmp_path / "customers.csv.gz", target="Churned?", base=tmp_path)
    [source] = load_project("churn", base=tmp_path).project.sources
    assert source.provider.delimiter == ";"


def test_a_number_that_takes_many_values_is_a_regression(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(a_table())
    write_project("age", data=tmp_path / "customers.csv", target="Age", base=tmp_path)
    project = load_project("age", base=tmp_path).project
    assert (project.task.type, project.gates[0].metric) == ("regression", "mse")


def test_nothing_is_overwritten_and_nothing_made_from_nothing(tmp_path: Path) -> None:
    table = tmp_path / "customers.csv"
    table.write_bytes(a_table())
    write_project("churn", data=table, target="Churned?", base=tmp_path)
    with pytest.raises(ProjectExists):
        write_project("churn", data=table, target="Churned?", base=tmp_path)
    with pytest.raises(SourceFileMissing):
        write_project("other", data=tmp_path / "none.csv", target="y", base=tmp_path)
    table.write_bytes(b"id,y\n" + b"".join(b"%d,%d\n" % (number, number % 2) for number in range(50)))
    with pytest.raises(NothingToLearnFrom):
        write_project("bare", data=table, target="y", base=tmp_path)
