from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.stream import write_project
from touchline.errors import RehearsalRefused
from touchline.project import Retrain, load_project
from touchline.rehearsal.apply import apply_policy
from touchline.rehearsal.policies import Policy

DRIFT = Policy("drift", Retrain(schedule=None, on_drift=True), "statistical")


def test_one_value_is_written_and_the_rest_stays_byte_for_byte(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    path.write_bytes(path.read_bytes().replace(b"# every week", "# für jede Woche\r".encode()))
    before = path.read_bytes()
    assert apply_policy(path, DRIFT, project="stream") == "retrain=Retrain(schedule=None, on_drift=True)"
    assert path.read_bytes() == before.replace(
        b'Retrain(schedule="0 4 * * 1")', b"Retrain(schedule=None, on_drift=True)"
    )
    assert load_project(path.parent, base=tmp_path).project.retrain == DRIFT.retrain


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('    retrain=Retrain(schedule="0 4 * * 1"),  # every week\n', ""),
        ('retrain=Retrain(schedule="0 4 * * 1")', "retrain=POLICY"),
    ],
)
def test_a_file_that_is_not_as_plain_is_left_alone_with_the_line_to_paste(tmp_path: Path, old: str, new: str) -> None:
    path = write_project(tmp_path).folder / "project.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    before = path.read_bytes()
    with pytest.raises(RehearsalRefused, match=r"To paste: retrain=Retrain\(schedule=None, on_drift=True\),"):
        apply_policy(path, DRIFT, project="stream")
    assert path.read_bytes() == before


def test_a_naive_policy_enters_no_declaration(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    with pytest.raises(RehearsalRefused, match="decides by lower means"):
        apply_policy(path, Policy("weekly-naive", Retrain(), "naive"), project="stream")
