"""A regression goes the whole way: trained, judged, promoted, rolled back, told on its card, made again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.samples import a_small_sample, trained
from touchline.automation import material_of
from touchline.cli.opening import OpenedProject, pipeline_context
from touchline.project import advance_clock
from touchline.registry import (
    Decision,
    GateInputs,
    load_release,
    promote,
    read_card,
    read_version,
    reproduce,
    rollback,
)

pytestmark = pytest.mark.services

NAME = "hotel_rates"
JULY = datetime(2017, 7, 1, tzinfo=UTC)


EVERYTHING = [
    (1, "Staging"),
    (1, "Production"),
    (2, "None"),
    (2, "Staging"),
    (2, "Production"),
    (1, "Archived"),
    (1, "Production"),
    (2, "Archived"),
]
TOLD = (
    "What a hotel room costs a night",
    "The model predicts a number",
    "| rmse |",
    "market_segment = ",
    "| failed |",
    "newer prices",
    "OPS-1",
    "complaints",
)


def test_hotel_rates_are_learned_promoted_rolled_back_and_made_again(tmp_path: Path) -> None:
    opened = a_small_sample(NAME, tmp_path)
    report, registry = trained(opened)
    assert (report.version.version, report.version.stage, report.version.classes) == (1, "Production", ())
    assert report.promotion is not None
    assert report.promotion.report is not None
    (limit, better) = report.promotion.report.results
    assert limit.passed
    assert "rmse is better than that of the constant baseline" in better.message

    take_a_newer_version(opened)
    assert read_version(registry, NAME, "models:/hotel_rates/Production").version == 2
    back = rollback(registry, NAME, Decision("bob", reason="complaints"))
    assert back.release is not None
    assert load_release(back.release.path, digest=back.release.digest).manifest.task == "regression"
    assert [(change.version, change.to_stage) for change in registry.journal.history(NAME)] == EVERYTHING
    card = read_card(registry, NAME, 2).markdown
    assert [told for told in TOLD if told not in card] == []
    material = material_of(pipeline_context(opened), report.version)
    assert material is not None
    assert reproduce(registry, report.version, material).is_same


def take_a_newer_version(opened: OpenedProject) -> None:
    """A month more of the same is no proof of being better; a person may still take it, and say why."""
    advance_clock(opened.project, opened.stores.database, to=JULY)
    report, registry = trained(OpenedProject(opened.home, opened.loaded))
    assert (report.version.version, report.is_new) == (2, True)
    assert "Production version 1" in str(report.refusal)
    chosen = Decision("ann", reason="newer prices", ticket="OPS-1", now=True)
    promote(registry, NAME, 2, chosen, inputs=GateInputs(opened.project.gates[:1]))
