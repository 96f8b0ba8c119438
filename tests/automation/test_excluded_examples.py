"""Examples that the declaration excludes are neither trained on nor open, and each report counts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.automation.test_promotion import Shop
from touchline.automation import run_pipeline
from touchline.cli.opening import pipeline_context
from touchline.features import read_training_set
from touchline.predictions import OpenExampleRecords
from touchline.project import declared_state, plan_changes
from touchline.registry import Releases, read_card

pytestmark = pytest.mark.services
EXCLUDE = '@examples(source=visits, exclude={"a branch under repair": pl.col("at_branch") == 2})'


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    text = shop.text.replace("@examples(source=visits)", EXCLUDE).replace("cutoff=", 'at_branch="branch", cutoff=')
    (shop.folder / "project.py").write_text(text)
    return shop


def rows_of(place: Path, branch: int) -> int:
    return sum(line.split(",")[3] == str(branch) for line in (place / "visits.csv").read_text().splitlines())


def test_excluded_examples_are_not_trained_on_and_counted_with_their_reason(shop: Shop) -> None:
    context = pipeline_context(shop.opened())
    report = run_pipeline(context, trigger="train", actor="tests")
    count = rows_of(shop.place, branch=2)
    assert report.excluded == {"a branch under repair": count}
    training_set = read_training_set(report.version.training_set_hash, project="shop", stores=context.stores)
    assert training_set is not None
    assert training_set.frame["at_branch"].unique().sort().to_list() == [0, 1]
    assert (
        f"excludes {count} examples: a branch under repair {count}" in read_card(context.stores, "shop", "1").markdown
    )
    state = context.stores.journal.state("shop")
    lineage = Releases(context.stores).open(state.releases[1]).lineage
    assert lineage["excluded"] == {"a branch under repair": count}
    is_open = OpenExampleRecords(context.stores.database, "shop").read()
    assert {example.example_id for example in is_open} & excluded_ids(shop.place) == set()


def excluded_ids(place: Path) -> set[str]:
    lines = [line.split(",") for line in (place / "visits.csv").read_text().splitlines()]
    return {line[0] for line in lines if line[3] == "2"}


def test_another_condition_is_a_planned_change_of_the_task(shop: Shop) -> None:
    file, before = shop.folder / "project.py", declared_state(shop.opened().project)
    file.write_text(file.read_text().replace('pl.col("at_branch") == 2', 'pl.col("at_branch") == 1'))
    (change,) = plan_changes(shop.opened().project, before).changes
    assert change.part == "task"
    assert [detail.partition(":")[0] for detail in change.details] == ["examples", "exclude a branch under repair"]
