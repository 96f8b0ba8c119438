"""Loading a declaration: what is wrong is said with file, line, field and the nearest valid name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from touchline.errors import InvalidProject, ProjectNotFound
from touchline.project import find_projects, load_project
from touchline.registry.runs.run_files import hash_of_code, project_code

GOOD = """
from touchline import Contract, Project, Source, classification, examples
from touchline.ingest import CsvFiles
import polars as pl

class Row(Contract):
    id: str
    size: float
    y: str | None = None

rows = Source(name="rows", contract=Row, key="id", provider=CsvFiles("rows.csv"))

@examples(source=rows)
def all_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(
        "size", example_id="id", cutoff="event_timestamp", label="y", label_timestamp="event_timestamp"
    )

task = classification(examples=all_rows, classes=["no", "yes"], inputs=["size"])
project = Project(name="tiny", sources=[rows], task=task)
"""


def a_project(folder: Path, text: str = GOOD) -> Path:
    place = folder / "projects" / "tiny"
    place.mkdir(parents=True)
    (place / "project.py").write_text(text)
    return place


def test_a_project_loads_by_name_and_by_folder(tmp_path: Path) -> None:
    place = a_project(tmp_path)
    assert load_project("tiny", base=tmp_path).project.name == "tiny"
    assert load_project(place, base=Path("/")).folder == place
    assert find_projects([], base=tmp_path) == [place]


def test_the_code_hash_follows_every_file_of_the_folder(tmp_path: Path) -> None:
    place = a_project(tmp_path)
    before = load_project("tiny", base=tmp_path).code_hash
    (place / "README.md").write_text("# Tiny\n")
    assert load_project("tiny", base=tmp_path).code_hash == before
    (place / "more.py").write_text("x = 1\n")
    after = load_project("tiny", base=tmp_path).code_hash
    assert after != before
    assert after == hash_of_code(project_code(place))  # what a version of this project records as its code


def test_a_project_imports_its_neighbours(tmp_path: Path) -> None:
    place = a_project(tmp_path, GOOD.replace('name="tiny"', "name=NAME") + "")
    (place / "names.py").write_text("NAME = 'tiny'\n")
    text = (place / "project.py").read_text()
    (place / "project.py").write_text("from .names import NAME\n" + text)
    assert load_project("tiny", base=tmp_path).name == "tiny"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "task=task)",
            "task=task, rolout=None)",
            r"project.py:\d+: Project has no field 'rolout'. Did you mean 'rollout'",
        ),
        ('name="tiny"', 'name="Tiny!"', r"Project\(name\): 'Tiny!' cannot name a project"),
        ('inputs=["size"])', "inputs=[])", "neither features nor inputs"),
        ("sources=[rows]", "sources=[rows, rows]", "`sources` names 'rows' more than once"),
        (
            "task=task)",
            "task=task, gates=[__import__('touchline').Gate.improves('log_loss', over='maket')],"
            " training=__import__('touchline').Training(baselines={'market': ('a', 'b')}))",
            r"compares with 'maket', which the training's `baselines` do not name. Did you mean 'market'",
        ),
        ("id: str", "id: strr", r"NameError: name 'strr' is not defined"),
        ("project = Project", "prject = Project", "it declares no `project`"),
        ("task=task)", "task=task, gates=__import__('sys').exit(3))", r"project.py:\d+: SystemExit: 3"),
    ],
)
def test_a_wrong_declaration_names_file_line_and_next_step(tmp_path: Path, old: str, new: str, message: str) -> None:
    a_project(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InvalidProject, match=message):
        load_project("tiny", base=tmp_path)


def test_a_view_must_read_a_declared_source(tmp_path: Path) -> None:
    other = GOOD.replace("project = Project", "other = rows.model_copy(update={'name': 'rowz'})\nproject = Project")
    a_project(tmp_path, other.replace("sources=[rows]", "sources=[other]"))
    with pytest.raises(InvalidProject, match=r"examples read source 'rows', .* Did you mean 'rowz'"):
        load_project("tiny", base=tmp_path)


def test_an_unknown_project_names_its_neighbour(tmp_path: Path) -> None:
    a_project(tmp_path)
    with pytest.raises(ProjectNotFound, match="Did you mean 'tiny'"):
        load_project("tinny", base=tmp_path)


class ImportingName(str):
    """A module's name that imports another module when it is looked at, as another thread may at any time."""

    __slots__ = ()

    def startswith(self, *_prefix: object) -> bool:  # type: ignore[override]  # the test looks at nothing else
        sys.modules["made_up_other"] = sys
        return False


def test_a_project_loads_while_another_thread_imports(tmp_path: Path) -> None:
    """A server loads a declaration when it is first needed, while its other threads import what they need."""
    a_project(tmp_path)
    sys.modules[ImportingName("made_up")] = sys
    try:
        assert load_project("tiny", base=tmp_path).name == "tiny"
    finally:
        for name in ("made_up", "made_up_other"):
            del sys.modules[name]
