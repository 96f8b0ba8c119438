"""Bad data at each step of a retraining: Production answers as before, and an incident says what happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.shop import write_shop
from touchline.alerts import Alerts, Rule
from touchline.automation import (
    PipelineContext,
    PipelineRuns,
    RunRequest,
    alerting_of,
    check_alerts,
    find_damage,
    find_symptoms,
    promote_version,
    report_damage,
    resume_pipeline,
    run_pipeline,
)
from touchline.automation.promotion.promote import move_to_production
from touchline.errors import LeaseHeld, TouchlineError
from touchline.ingest import CsvFiles
from touchline.project import LoadedProject, load_project
from touchline.registry import Decision, Releases, read_version, read_versions
from touchline.rehearsal.scratch_home import RehearsalClock, open_scratch
from touchline.rollout import RolloutRecords
from touchline.training import TrainingOptions

FIRST = datetime(2024, 6, 1, tzinfo=UTC)
LATER = FIRST + timedelta(days=6)
ALERTS = Alerts("json://127.0.0.1:9", rules=(Rule("training_failed"), Rule("training_done"), Rule("data_damage")))
QUICK = TrainingOptions(has_diagnostics=False)


@dataclass
class Place:
    """A folder with the shop's project and table, and a home in which version 1 is in Production."""

    folder: Path

    @property
    def visits(self) -> Path:
        return self.folder / "visits.csv"

    @property
    def project(self) -> Path:
        return self.folder / "projects" / "shop" / "project.py"

    def load(self) -> LoadedProject:
        loaded = load_project(self.project.parent, base=self.folder)
        update = {"alerts": ALERTS, "clock": None, "sources": self._sources(loaded)}
        return replace(loaded, project=loaded.project.model_copy(update=update))

    def _sources(self, loaded: LoadedProject) -> tuple[object, ...]:
        """The declared source, which finds its table in this copy of the folder."""
        (source,) = loaded.project.sources
        return (source.model_copy(update={"provider": CsvFiles(str(self.visits))}),)

    def context(self, now: datetime, on_progress: Callable[[str], None] = lambda _: None) -> PipelineContext:
        stores = open_scratch(self.folder / "home", RehearsalClock(now))
        return PipelineContext(self.load(), stores, on_progress, QUICK)

    def edit(self, old: str, new: str) -> None:
        text = self.project.read_text()
        assert old in text
        self.project.write_text(text.replace(old, new))

    def rows(self, change: Callable[[list[str]], list[str]]) -> None:
        """Change the newest 200 lines of the table, field by field."""
        head, *lines = self.visits.read_text().splitlines()
        changed = [",".join(change(line.split(","))) for line in lines[-200:]]
        self.visits.write_text("\n".join([head, *lines[:-200], *changed]) + "\n")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("shop"))
    write_shop(place.folder)
    context = place.context(FIRST)
    assert run_pipeline(context, trigger="up", actor="tests").refusal is None
    context.stores.database.close()
    return place


@pytest.fixture
def place(trained: Place, tmp_path: Path) -> Place:
    shutil.copytree(trained.folder, tmp_path / "copy")
    return Place(tmp_path / "copy")


def no_column(place: Place) -> None:
    place.visits.write_text(place.visits.read_text().replace("customer", "buyer"))


def another_label(place: Place) -> None:
    place.edit('.then(pl.lit("no"))', '.then(pl.lit("perhaps"))')


def infinite_feature(place: Place) -> None:
    place.edit("usual=pl.col", 'usual=pl.lit(float("inf")) + 0 * pl.col')


def failing_view(place: Place) -> None:
    place.edit('pl.col("spent").rolling_mean', 'pl.col("spends").rolling_mean')


def broken_online_store(place: Place) -> None:
    for file in (place.folder / "home").glob("online.db*"):
        file.write_bytes(b"no database" * 1000)


def scrambled_labels(place: Place) -> None:
    place.rows(lambda row: [*row[:3], f"{100 - float(row[3]):.2f}" if float(row[3]) <= 100 else "0"])


BEFORE = {
    "ingest": (no_column, "ColumnsMismatch"),
    "settle": (another_label, "LabelsUnusable"),
    "features": (infinite_feature, "NothingVaries"),
    "a view that fails": (failing_view, "InvalidProject"),
    "materialize": (broken_online_store, "OnlineStoreUnavailable"),
    "train": (scrambled_labels, "a gate refused its version"),
}


def retrain(context: PipelineContext) -> None:
    """What a scheduler asks for, and a worker does."""
    run, _ = PipelineRuns(context.stores.database, "shop").request(RunRequest(), clock=context.clock)
    with suppress(TouchlineError):
        resume_pipeline(context, run.id, actor="tests")


def require_untouched(context: PipelineContext) -> None:
    """Version 1 answers from files that are as they were written, and its self-test passes."""
    state = context.stores.journal.state("shop")
    assert state.production == 1
    assert Releases(context.stores).open(state.releases[1]).version == 1
    check_alerts(context.project, context.stores)


def happened(context: PipelineContext) -> str:
    """What the incidents and the news say."""
    records = alerting_of(context.project, context.stores).records
    accounts = [signal.account for one in records.newest(only_open=False) for signal in one.signals]
    return "\n".join(account.happened for account in accounts)


@pytest.mark.parametrize("step", BEFORE)
def test_bad_data_never_reaches_production(step: str, place: Place) -> None:
    fault, message = BEFORE[step]
    fault(place)
    context = place.context(LATER)
    retrain(context)
    require_untouched(context)
    assert message in happened(context)


def test_a_folder_edited_in_the_middle_of_a_training_ends_it(place: Place) -> None:
    """Else a release would bring code with it that is not the code that trained."""

    def edit(progress: str) -> None:
        if progress.startswith("train: fitting on all"):
            place.edit("rolling_mean(10", "rolling_mean(2")

    context = place.context(LATER, edit)
    retrain(context)
    require_untouched(context)
    assert "was edited while the training of shop went on" in happened(context)
    assert [one.version for one in read_versions(context.stores, "shop")] == [1]


def test_two_people_who_train_at_once_are_one_after_the_other(place: Place) -> None:
    others: list[str] = []

    def another(progress: str) -> None:
        if progress.startswith("features") and not others:
            second = place.context(LATER)
            with pytest.raises(LeaseHeld) as caught:
                run_pipeline(second, trigger="train", actor="bob")
            others.append(str(caught.value))
            second.stores.database.close()

    context = place.context(LATER, another)
    run_pipeline(context, trigger="train", actor="ann")
    assert "ann@" in others[0]
    runs = PipelineRuns(context.stores.database, "shop").newest(5)
    assert [(run.actor, run.status) for run in runs] == [("ann", "done"), ("tests", "done")]


def test_a_version_whose_files_change_before_its_gates_stays_out(place: Place) -> None:
    def damage(progress: str) -> None:
        if progress == "gates":
            for file in (place.folder / "home" / "objects").rglob("recipe.json"):
                file.write_text(file.read_text().replace("logistic", "ridge"))

    context = place.context(LATER, damage)
    retrain(context)
    require_untouched(context)
    assert "the training started by 'manual' failed" in happened(context)


def test_a_release_that_changes_in_staging_does_not_follow(place: Place) -> None:
    place.edit("    clock=", '    retrain=Retrain(refresh="rollout"), rollout=Rollout(mode="shadow"),\n    clock=')
    place.edit("Gate, Project", "Gate, Project, Retrain, Rollout")
    context = place.context(LATER)
    retrain(context)
    state = context.stores.journal.state("shop")
    assert state.staging == 2
    for file in Releases(context.stores).find(state.releases[2]).path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(TouchlineError):
        promote_version(context, read_version(context.stores, "shop", 2), Decision("ann", "looks good", now=True))
    with pytest.raises(TouchlineError):  # as the rollout does once it has decided
        move_to_production(context, 2, reason="rollout 1: better")
    rollouts = RolloutRecords(context.stores.database, "shop").read()
    assert [(one.rule.candidate.version, one.status) for one in rollouts] == [(2, "running")]
    report_damage(context.project, context.stores, find_damage(context))
    require_untouched(context)
    assert state.releases[2] in happened(context)


def test_a_playbook_names_the_changed_schema_and_how_the_newest_training_differs(place: Place) -> None:
    field = "    spent: float | None = Field(None, ge=0)"
    place.edit(field, f"{field}\n    till: int = 1")
    place.edit("at_least=0.6", "at_least=0.999")
    context = place.context(LATER)
    retrain(context)
    found = {one.subject: one for one in find_symptoms(context.project, context.stores)}
    schema, release = found["source visits"], found["release"]
    assert "the schema changed since version 1 was trained: column till is new" in schema.happened
    assert (schema.next_command, schema.is_wrong) == ("touchline plan -p shop", True)
    assert "version 1 is in Production and version 2 is the newest: its gates said no: accuracy" in release.happened
    assert "source visits: snapshot" in release.happened
    assert "another code" in release.happened
    assert (release.next_command, release.is_wrong) == ("touchline models compare 1 2 -p shop", False)
