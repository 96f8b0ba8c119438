from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.stream import write_project
from touchline.errors import RehearsalRefused
from touchline.project import Project, Retrain, load_project
from touchline.rehearsal.apply import apply_policy
from touchline.rehearsal.policies import Policy, find_policies

DRIFT = Policy("drift", Retrain(schedule=None, on_drift=True), "statistical")


def declared(path: Path) -> Project:
    return load_project(path.parent, base=path.parents[2]).project


def with_rollout(place: Path, text: str) -> Path:
    """The project's file with a declared rollout."""
    path = write_project(place).folder / "project.py"
    code = path.read_text().replace("    retrain=", f"    rollout={text},\n    retrain=")
    path.write_text(code.replace("import Contract,", "import Rollout, Contract,"))
    return path


def test_one_value_is_written_and_the_rest_stays_byte_for_byte(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    path.write_bytes(path.read_bytes().replace(b"# every week", "# für jede Woche\r".encode()))
    before = path.read_bytes()
    assert apply_policy(path, DRIFT, declared(path)) == "retrain=Retrain(schedule=None, on_drift=True)"
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
    project = declared(path)
    path.write_text(path.read_text().replace(old, new))
    before = path.read_bytes()
    with pytest.raises(RehearsalRefused, match=r"To paste: retrain=Retrain\(schedule=None, on_drift=True\),"):
        apply_policy(path, DRIFT, project)
    assert path.read_bytes() == before


def test_a_naive_policy_enters_no_declaration(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    with pytest.raises(RehearsalRefused, match="decides by lower means"):
        apply_policy(path, Policy("weekly-naive", Retrain(), "naive"), declared(path))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Rollout()", 'Rollout(needs="not_worse")'),
        (
            'Rollout(  # a note\n        metric="log_loss", min_days=3)',
            'Rollout(needs="not_worse",   # a note\n        metric="log_loss", min_days=3)',
        ),
        ('Rollout(min_days=3, needs="better")', 'Rollout(min_days=3, needs="not_worse")'),
    ],
)
def test_what_the_rollout_of_the_policy_has_else_is_written_too(tmp_path: Path, before: str, after: str) -> None:
    path = with_rollout(tmp_path, before)
    policy = find_policies(["drift-not-worse"], declared(path))[0]
    text = path.read_text()
    line = apply_policy(path, policy, declared(path))
    assert line == 'retrain=Retrain(schedule=None, on_drift=True), rollout=Rollout(..., needs="not_worse")'
    expected = text.replace(before, after).replace(
        'Retrain(schedule="0 4 * * 1")', "Retrain(schedule=None, on_drift=True)"
    )
    assert path.read_text() == expected
    written = declared(path)
    assert (written.retrain, written.rollout) == (policy.retrain, policy.rollout)


def test_a_declared_rollout_stays_as_it_is_where_the_policy_was_rehearsed_with_it(tmp_path: Path) -> None:
    path = with_rollout(tmp_path, "Rollout(min_days = 3)")
    line = apply_policy(path, find_policies(["drift"], declared(path))[0], declared(path))
    assert line.endswith("rollout as declared")
    assert "Rollout(min_days = 3)" in path.read_text()


def test_a_rollout_that_is_not_declared_is_to_be_pasted(tmp_path: Path) -> None:
    path = write_project(tmp_path).folder / "project.py"
    with pytest.raises(RehearsalRefused, match=r'has 0 calls Project.*To paste: retrain=.*needs="not_worse"'):
        apply_policy(path, find_policies(["weekly-not-worse"], declared(path))[0], declared(path))
