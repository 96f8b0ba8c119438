"""Every name of a declaration is looked up before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.builders import PROJECT, a_home
from touchline.automation import plan_run, run_pipeline
from touchline.cli.opening import OpenedProject, pipeline_context
from touchline.errors import InvalidProject
from touchline.project import dry_run, find_projects, load_project

GATE, FEATURES = 'Gate("accuracy", at_least=0.6)', 'features=[spending.on("customer")]'
LEARN = 'candidates=["logistic"]'
MISTAKES = {
    "a metric that does not exist": (GATE, 'Gate("acuracy", at_least=0.6)', "no 'acuracy' here. Did you mean"),
    "a metric of the other task": (GATE, 'Gate("rmse", at_most=0.6)', "a classification has no 'rmse'"),
    "a comparison of the other task": (GATE, 'Gate.improves("rmse")', "no 'rmse' here. Known: accuracy"),
    "a gate on an undeclared slice": (GATE, 'Gate.slice("log_loss", "branch", at_most=1.0)', "names 'branch', which"),
    "a candidate of the other task": ('["logistic"]', '["ridge"]', "candidate 'ridge' cannot learn a binary task"),
    "an input that the examples lack": (FEATURES, FEATURES + ', inputs=["odds"]', "name 'odds', which the examples"),
    "a slice that the examples lack": (FEATURES, FEATURES + ', slices=["region"]', "`slices` names 'region'"),
    "a join on no column": ('spending.on("customer")', 'spending.on("costumer")', "is joined on 'costumer'"),
    "a key of another type": ('cutoff="at",', 'cutoff="at", who=pl.lit(1),', ""),
    "a baseline of no column": (LEARN, LEARN + ', baselines={"market": ["odds", "cutoff"]}', "baseline 'market' names"),
    "a baseline with a column too few": (
        LEARN, LEARN + ', baselines={"market": ["customer"]}', "names customer; name one column for each of no, yes",
    ),
    "a trusted column that is none": (LEARN, LEARN + ', trusted=["usuall"]', "names 'usuall', which is no column"),
    "examples without a stamp": ('label_timestamp="event_timestamp",', "", "returns no label_timestamp"),
    "a view of no column": ('pl.col("spent").rolling_mean', 'pl.col("spend").rolling_mean', "unable to find column"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ('metric="mse"', "metric 'mse' is not one of a classification. Allowed: log_loss, brier or rps"),
        ('mode="ab", unit="custmer"', "unit 'custmer' is no field of a request. Did you mean 'customer'?"),
        ('mode="shadow", unit="custmer"', "unit 'custmer' is no field of a request"),
        ('mode="ab", unit="customer", metric="brier"', None),
    ],
)
def test_a_rollout_that_no_start_would_take_is_a_mistake(tmp_path: Path, declared: str, message: str | None) -> None:
    folder = loaded(tmp_path, "    clock=", f"    rollout=Rollout({declared}),\n    clock=")
    path = folder / "project.py"
    path.write_text(path.read_text().replace("Project, SampleClock", "Project, Rollout, SampleClock"))
    found = dry_run(load_project(folder, base=tmp_path).project).mistakes
    assert [mistake for mistake in found if message is None or message not in mistake] == []
    assert len(found) == (message is not None)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ('"rmse > 2"', "rule 'rmse > 2': a classification has no 'rmse' here"),
        ('"rps > 0.2"', "a classification has no 'rps' here"),
        ('"log_loss > 0.8"', None),
        ('"feature_missing > 5 %", columns=("spendin",)', "is no view of the task. Did you mean 'spending'?"),
        ('"feature_missing > 5 %", columns=("spending",)', None),
        ('"drift", columns=("usuall",)', "names 'usuall', which is no column of the model"),
        ('"drift", columns=("yes",)', None),
    ],
)
def test_a_rule_that_could_never_hold_is_a_mistake(tmp_path: Path, declared: str, message: str | None) -> None:
    alerts = f"    alerts=Alerts('json://127.0.0.1:9', rules=[Rule({declared})]),\n    clock="
    folder = loaded(tmp_path, "    clock=", alerts)
    path = folder / "project.py"
    path.write_text(path.read_text().replace("Project, SampleClock", "Alerts, Project, Rule, SampleClock"))
    found = dry_run(load_project(folder, base=tmp_path).project).mistakes
    assert [mistake for mistake in found if message is None or message not in mistake] == []
    assert len(found) == (message is not None)


@pytest.mark.parametrize(("extra", "is_mistake"), [("", True), ('cluster="customer",', False)])
def test_clusters_of_a_rollout_need_a_column_where_no_time_gives_a_day(
    tmp_path: Path, extra: str, is_mistake: bool
) -> None:
    folder = loaded(tmp_path, "    clock=", "    rollout=Rollout(cluster=True),\n    clock=")
    text = (folder / "project.py").read_text().replace("Project, SampleClock", "Project, Rollout, SampleClock")
    for old, new in (
        ('event_time="at", known_after=timedelta(hours=1),', ""),
        ('hidden_until_known=("spent",), ', ""),
        (", ttl=timedelta(days=365)", ""),
        ('        label_timestamp="event_timestamp",', f'        label_timestamp="event_timestamp", {extra}'),
        ('    clock=SampleClock(at="2024-06-01T00:00:00Z"),\n', ""),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "project.py").write_text(text)
    found = dry_run(load_project(folder, base=tmp_path).project).mistakes
    assert any("cluster=True" in mistake for mistake in found) == is_mistake, found


VISIT = "visit_id,at,customer,branch,spent\na,2024-01-01T00:00:00Z,c1,1,5.0\n"


def loaded(place: Path, before: str, after: str) -> Path:
    folder = place / "projects" / "shop"
    folder.mkdir(parents=True)
    assert before in PROJECT
    text = PROJECT.replace(before, after)
    if "who=" in after:
        text = text.replace('spending.on("customer")', 'spending.on("who")')
    (folder / "project.py").write_text(text)
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_on_no_rows(tmp_path: Path, mistake: str) -> None:
    before, after, message = MISTAKES[mistake]
    folder = loaded(tmp_path, before, after)
    found = dry_run(load_project(folder, base=tmp_path).project)
    assert len(found.mistakes) == 1, found
    assert message in found.mistakes[0]


def test_a_training_of_a_wrong_declaration_does_nothing(tmp_path: Path) -> None:
    folder = loaded(tmp_path, "gates=[" + GATE, 'gates=[Gate("acuracy", at_least=0.6), Gate("rmse", at_most=1)')
    context = pipeline_context(OpenedProject(a_home(tmp_path), load_project(folder, base=tmp_path)))
    (tmp_path / "visits.csv").write_text(VISIT)
    with pytest.raises(InvalidProject, match=r"no 'acuracy' here.*; gate 'rmse at most 1'.*Nothing was trained"):
        run_pipeline(context, trigger="train", actor="tests")
    assert len(plan_run(context).mistakes) == 2


def test_the_plan_names_columns_that_the_next_ingest_would_refuse(tmp_path: Path) -> None:
    folder = loaded(tmp_path, "    customer: str\n", "    customer: str\n    town: str\n")
    (tmp_path / "visits.csv").write_text(VISIT)
    context = pipeline_context(OpenedProject(a_home(tmp_path), load_project(folder, base=tmp_path)))
    (mistake,) = plan_run(context).mistakes
    assert "shop.visits lacks the column 'town'" in mistake


def test_the_declared_projects_are_sound() -> None:
    base = Path(__file__).parents[2]
    folders = find_projects([], base=base)
    assert len(folders) >= 2
    for folder in folders:
        found = dry_run(load_project(folder, base=base).project)
        assert found.mistakes == (), folder.name
        assert found.columns
