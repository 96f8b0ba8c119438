"""The version of a view, of examples and of a transform changes with everything that decides what they return."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchline.errors import InvalidView
from touchline.project import load_project

PROJECT = """
import functools
import threading
from collections.abc import Callable
from typing import Annotated
import numpy as np
import polars as pl
from pydantic import Field
from touchline import (
    Contract, Entity, Project, Source, Training, classification, examples, feature_view, on_demand, row_check,
)
from touchline.features import FeatureView
from touchline.ingest import CsvFiles
{imports}

LIMIT = 7

class Game(Contract):
    id: str
    at: str
    points: int = Field(ge=0, le=100)

    @row_check
    def no_lonely_points(cls) -> pl.Expr:
        return pl.col("points") <= LIMIT

class Output(Contract):
    total: float | None = Field(None, ge=0, le=1000)

games = Source(name="games", contract=Game, key="id", provider=CsvFiles("games.csv"))
team = Entity(name="id", join_keys=["id"])

def unrelated(x):
    return x + 1

{before}

@feature_view(entity=team, source=games, contract=Output)
def form(games: pl.LazyFrame) -> pl.LazyFrame:
    return games.select("id", "event_timestamp", total={value})

{after}

@examples(source=games)
def all_games(games: pl.LazyFrame) -> pl.LazyFrame:
    return games.select("points", example_id="id", cutoff="event_timestamp", label=pl.lit("a"),
                        label_timestamp="event_timestamp", value={value})

@on_demand(inputs=["points"])
def doubled(columns):
    return {{"twice": columns["points"] * 2, "other": str({value})}}

task = classification(examples=all_games, classes=["a", "b"], inputs=["points"], on_demand=[doubled])
project = Project(name="tiny", sources=[games], feature_views=[form], task=task,
                  training=Training(test=0.2, candidates=["logistic"]))
"""
ROLLING = (
    "from . import factors\n\ndef total(name):\n    return by(name)\n\ndef by(name):\n    return name * factors.F\n"
)
VALUE = 'pl.col("points") * 2.0'

# How a function reaches a 2, with the file that holds it: (imports, definitions, expression, files).
REACHED_BY: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "its own code": ("", "", "2", {}),
    "a helper": ("", "def help():\n    return 2", "help()", {}),
    "a helper's helper": ("", "def help():\n    return deep()\n\ndef deep():\n    return 2", "help()", {}),
    "a module": ("from . import rolling", "", "rolling.total(1)", {"rolling.py": "def total(x):\n    return 2\n"}),
    "a module by its full name": (
        "import touchline_projects.tiny.rolling",
        "",
        "touchline_projects.tiny.rolling.total(1)",
        {"rolling.py": "def total(x):\n    return 2\n"},
    ),
    "a module's module": (
        "from . import rolling",
        "",
        "rolling.total(1)",
        {"rolling.py": ROLLING, "factors.py": "F = 2\n"},
    ),
    "an imported name": ("from .rolling import total", "", "total(1)", {"rolling.py": "def total(x):\n    return 2\n"}),
    "a star import": ("from .rolling import *", "", "total(1)", {"rolling.py": "def total(x):\n    return 2\n"}),
    "a subpackage": (
        "from .maths import total",
        "",
        "total(1)",
        {"maths/__init__.py": "from .sums import total\n", "maths/sums.py": "def total(x):\n    return 2\n"},
    ),
    "an import inside a function": (
        "",
        "def help():\n    from . import rolling\n    return rolling.total(1)",
        "help()",
        {"rolling.py": "def total(x):\n    return 2\n"},
    ),
    "functools.cache": ("", "@functools.cache\ndef help():\n    return 2", "help()", {}),
    "functools.cache as a call": ("", "def _help():\n    return 2\n\nhelp = functools.cache(_help)", "help()", {}),
    "functools.partial": ("", "def _help(x):\n    return x\n\nhelp = functools.partial(_help, 2)", "help()", {}),
    "a partial of a helper": ("", "def _help(x):\n    return 2\n\nhelp = functools.partial(_help, 1)", "help()", {}),
    "a decorator": (
        "",
        "def by(f):\n    return lambda: f() * 2\n\n@by\ndef help():\n    return 1",
        "help()",
        {},
    ),
    "a callable object": (
        "",
        "class Scale:\n    def __call__(self):\n        return 2\n\nhelp = Scale()",
        "help()",
        {},
    ),
    "an object's state": (
        "",
        "class Scale:\n    def __init__(self, x):\n        self.x = x\n\nhelp = Scale(2)",
        "help.x",
        {},
    ),
    "a base class": (
        "",
        "class Base:\n    def f(self):\n        return 2\n\nclass Scale(Base):\n    pass",
        "Scale().f()",
        {},
    ),
    "a base class elsewhere": (
        "from .bases import Base",
        "class Scale(Base):\n    pass",
        "Scale().f()",
        {"bases.py": "class Base:\n    def f(self):\n        return 2\n"},
    ),
    "a method": ("", "class Scale:\n    def f(self):\n        return 2", "Scale().f()", {}),
    "a constant": ("", "FACTOR = 2", "FACTOR", {}),
    "a constant that is changed": ("", "FACTORS = {}\nFACTORS['a'] = 2", "FACTORS['a']", {}),
    "a constant of a module": ("from . import factors", "", "factors.F", {"factors.py": "F = 2\n"}),
    "an expression": ("", "SCALED = pl.col('points') * 2", "SCALED", {}),
    "a table": ("", "TABLE = pl.DataFrame({'a': [2]})", "TABLE.item()", {}),
    "an array": ("", "ARRAY = np.array([2])", "ARRAY[0]", {}),
    "a lambda in a dictionary": ("", "HELP = {'a': lambda: 2}", "HELP['a']()", {}),
    "a default argument": ("", "def help(x=2):\n    return x", "help()", {}),
    "a file beside the code": (
        "from pathlib import Path",
        "PLACE = Path(__file__).parent / 'factor.txt'",
        "float(PLACE.read_text())",
        {"factor.txt": "2"},
    ),
    "a value read when loading": (
        "from pathlib import Path",
        "FACTOR = float((Path(__file__).parent / 'factor.txt').read_text())",
        "FACTOR",
        {"factor.txt": "2"},
    ),
    "a value a module reads when loading": (
        "from . import factors",
        "",
        "factors.F",
        {
            "factors.py": "from pathlib import Path\nF = (Path(__file__).parent / 'factor.txt').read_text()\n",
            "factor.txt": "2",
        },
    ),
}


def write(folder: Path, imports: str = "", before: str = "", value: str = VALUE, after: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = PROJECT.format(imports=imports, before=before, value=value, after=after)
    (folder / "project.py").write_text(text)
    return folder


def versions(folder: Path) -> dict[str, str]:
    project = load_project(folder, base=folder.parent).project
    view, task = project.feature_views[0], project.task
    return {"view": view.feature_version, "examples": task.examples.version, "on_demand": task.on_demand[0].version}


@pytest.mark.parametrize("way", REACHED_BY)
def test_a_version_covers_code_however_it_is_reached(tmp_path: Path, way: str) -> None:
    imports, before, value, files = REACHED_BY[way]
    folder = write(tmp_path / "tiny", imports, before, value)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    first = versions(folder)
    assert versions(folder) == first
    edited = [folder / name for name in files] or [folder / "project.py"]
    if files:
        for file in edited:
            file.write_text(file.read_text().replace("2", "3"))
    else:
        write(folder, imports, before.replace("2", "3"), value.replace("2", "3"))
    second = versions(folder)
    assert {name for name in first if first[name] != second[name]} == {"view", "examples", "on_demand"}


def as_partial(function: str) -> str:
    return f'form = FeatureView(name="form", entity=team, sources=(games,), contract=Output, function={function})'


SELECT = "games.select('id', 'event_timestamp', total=pl.col('points') * 2.0)"
FUNCTIONS = {
    "a partial": f"functools.partial(lambda x, games: {SELECT}, 2)",
    "a lambda": f"lambda games: {SELECT}",
    "a callable object": "Form()",
    "a method": "Form().__call__",
    "a closure": "closed_over(2)",
    "a decorated function": "plainly(Form())",
}
FORMS = f"""
class Form:
    def __call__(self, games):
        return {SELECT}

def closed_over(x):
    return lambda games: games.select('id', 'event_timestamp', total=pl.col('points') * x)

def plainly(f):
    @functools.wraps(f)
    def call(games):
        return f(games)
    return call
"""


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_version_covers_a_view_of_any_callable(tmp_path: Path, kind: str) -> None:
    after = FORMS + as_partial(FUNCTIONS[kind])
    folder = write(tmp_path / "tiny", after=after)
    first = versions(folder)["view"]
    assert versions(write(folder, after=after))["view"] == first
    changed = after.replace("2.0", "3.0").replace("(2)", "(3)").replace(", 2)", ", 3)")
    assert versions(write(folder, after=changed))["view"] != first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("le=1000", "le=900"),  # the output contract
        ("le=100)", "le=90)"),  # the source's
        ("LIMIT = 7", "LIMIT = 8"),  # what a check of the source's contract reads
        ('pl.col("points") <= LIMIT', 'pl.col("points") < LIMIT'),
        ('key="id",', 'key="id", zone="Europe/London",'),
        ('key="id",', 'key="id", known_at=None, event_time="when",'),
    ],
)
def test_a_version_covers_the_contracts_and_times_of_a_view(tmp_path: Path, old: str, new: str) -> None:
    folder = write(tmp_path / "tiny")
    text = (
        (folder / "project.py")
        .read_text()
        .replace("    at: str\n", "    at: str\n    when: __import__('datetime').datetime\n")
    )
    (folder / "project.py").write_text(text)
    first = versions(folder)
    assert old in text
    (folder / "project.py").write_text(text.replace(old, new))
    second = versions(folder)
    assert second["view"] != first["view"]
    assert (second["examples"] != first["examples"]) == (old != "le=1000")
    assert second["on_demand"] == first["on_demand"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("project.py", "test=0.2", "test=0.3"),
        ("project.py", '["logistic"]', '["lightgbm"]'),
        ("project.py", "x + 1", "x + 2"),
        ("project.py", "LIMIT = 7", "# A comment\n\nLIMIT = 7"),
        ("project.py", "import functools", '"""A docstring."""\nimport functools'),
        ("project.py", "import functools", "import functools\nimport itertools"),
        ("project.py", "from .rolling import total", "from .rolling import total, more"),
        ("project.py", 'CsvFiles("games.csv")', 'CsvFiles("others.csv")'),
        ("rolling.py", "def total", "# A comment\ndef total"),
        ("rolling.py", "    return 2", '    """A docstring."""\n    return 2'),
        ("README.md", "read", "write"),
        ("other.py", "x = 1", "x = 2"),
    ],
)
def test_a_version_stays_where_nothing_changes_that_is_reached(tmp_path: Path, file: str, old: str, new: str) -> None:
    folder = write(tmp_path / "tiny", "from .rolling import total\nfrom . import other", "", 'total("points")')
    (folder / "rolling.py").write_text("def total(x):\n    return 2\n\nmore = 1\n")
    (folder / "README.md").write_text("read\n")
    (folder / "other.py").write_text("x = 1\n")
    first = versions(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert versions(folder) == first


def test_a_version_is_the_same_wherever_the_project_lies(tmp_path: Path) -> None:
    place = ("from pathlib import Path", "PLACE = Path(__file__).parent / 'factor.txt'", "len(PLACE.name)")
    one, other = write(tmp_path / "a" / "tiny", *place), write(tmp_path / "b" / "c" / "tiny", *place)
    assert versions(one) == versions(other)


@pytest.mark.parametrize(
    "value", ["threading.Lock()", "memoryview(b'a')", "(x for x in 'ab')", "pl.col('a').map_elements(lambda x: x)"]
)
def test_a_value_without_stable_content_is_refused_by_name_when_the_project_is_loaded(
    tmp_path: Path, value: str
) -> None:
    folder = write(tmp_path / "tiny", "", f"HELD = {value}", "len(str(HELD))")
    with pytest.raises(InvalidView, match=r"'form' reaches project.HELD, an .* whose content cannot be compared"):
        load_project(folder, base=tmp_path)


def test_two_closures_of_one_function_are_told_apart(tmp_path: Path) -> None:
    closures = "def by(x):\n    return lambda: x\n\nFIRST = by(1)\nSECOND = by({})\nHELP = [FIRST, SECOND]"
    folder = write(tmp_path / "tiny", "", closures.replace("{}", "2"), "HELP[1]()")
    first = versions(folder)
    # The state of the second closure is read when the project is loaded, not from the text alone.
    held = closures.replace("by({})", "by((Path(__file__).parent / 'a.txt').read_text())")
    (folder / "a.txt").write_text("..")
    write(folder, "from pathlib import Path", held, "HELP[1]()")
    second = versions(folder)
    (folder / "a.txt").write_text("...")
    assert len({first["view"], second["view"], versions(folder)["view"]}) == 3
