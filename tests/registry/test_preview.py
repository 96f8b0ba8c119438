"""A preview says what a promotion rests on; a promotion by its hash is made on that evidence or not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.registry.builders import NOW, a_trained
from tests.registry.test_promote import ANN, GATES, NOW_BECAUSE
from touchline.errors import EvidenceMoved
from touchline.registry import (
    Decision,
    Gate,
    GateInputs,
    PlannedMove,
    Registry,
    approve,
    find_file_list,
    preview_promotion,
    promote,
    read_version,
    record_version,
    rollback,
    write_file_list,
)

pytestmark = pytest.mark.services


def on(evidence: str, **more: object) -> Decision:
    return Decision("ann", evidence=evidence, **more)  # type: ignore[arg-type]


def test_a_preview_names_the_moves_and_changes_nothing(two: Registry) -> None:
    preview = preview_promotion(two, "p", 1, ANN, inputs=GateInputs(GATES))
    assert preview.kind == "first"
    assert preview.moves == (PlannedMove(1, "None", "Staging"), PlannedMove(1, "Staging", "Production"))
    assert preview.report is not None
    assert preview.report.passed
    assert (preview.refusal, preview.rollback) == (None, None)
    assert two.journal.history("p") == ()
    assert preview_promotion(two, "p", 1, ANN, inputs=GateInputs(GATES)).evidence == preview.evidence


def test_a_promotion_by_the_hash_of_its_preview_is_made(two: Registry) -> None:
    inputs = GateInputs((*GATES, Gate.latency(at_most_ms=1000)))
    preview = preview_promotion(two, "p", 1, ANN, inputs=inputs)
    done = promote(two, "p", 1, on(preview.evidence), inputs=inputs)
    assert [(c.version, c.from_stage, c.to_stage) for c in done.changes] == [
        (move.version, move.from_stage, move.to_stage) for move in preview.moves
    ]


def test_rollback_after_the_promotion_leads_where_the_preview_says(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    preview = preview_promotion(two, "p", 2, NOW_BECAUSE)
    assert preview.rollback == 1
    promote(two, "p", 2, on(preview.evidence, reason="no traffic yet", now=True))
    assert rollback(two, "p", NOW_BECAUSE).version.version == preview.rollback


def test_a_refusal_is_previewed_with_its_reason_and_leaves_no_entry(two: Registry) -> None:
    preview = preview_promotion(two, "p", 1, ANN, inputs=GateInputs((Gate("accuracy", at_least=0.99),)))
    assert preview.moves == ()
    assert "accuracy 0.771 is below the gate's 0.990" in str(preview.refusal)
    promote(two, "p", 1, ANN)
    promote(two, "p", 2, ANN)
    waiting = preview_promotion(two, "p", 2, ANN)
    assert (waiting.kind, waiting.moves, waiting.rollback) == ("none", (), None)
    assert "touchline models promote 2 -p p --now" in str(waiting.refusal)


@pytest.mark.parametrize("moved", ["an approval", "another gate", "a stage"])
def test_whatever_moves_after_the_preview_stops_the_promotion(two: Registry, moved: str) -> None:
    inputs = GateInputs(GATES)
    preview = preview_promotion(two, "p", 1, ANN, inputs=inputs)
    if moved == "an approval":
        approve(two, "p", 1, NOW_BECAUSE)
    elif moved == "a stage":
        promote(two, "p", 2, ANN)
    else:
        inputs = GateInputs((*GATES, Gate("accuracy", at_least=0.1)))
    before = two.journal.head("p")
    with pytest.raises(EvidenceMoved, match=f"the decision rests on {preview.evidence}.*--dry-run"):
        promote(two, "p", 1, on(preview.evidence), inputs=inputs)
    assert two.journal.head("p") == before


def test_other_predictions_are_other_evidence(two: Registry) -> None:
    preview = preview_promotion(two, "p", 1, ANN, inputs=GateInputs(GATES))
    other = record_version(two, a_trained(seed=2, now=NOW + timedelta(days=1))).version
    key = read_version(two, "p", 1).object_key
    data = two.objects.read(f"{other.object_key}/predictions.parquet")
    two.objects.delete(f"{key}/predictions.parquet")
    two.objects.write(f"{key}/predictions.parquet", data)
    two.objects.delete(find_file_list(two.objects, key) or "")
    write_file_list(two.objects, key)  # or the file counts as damaged
    with pytest.raises(EvidenceMoved):
        promote(two, "p", 1, on(preview.evidence), inputs=GateInputs(GATES))


def test_promotions_from_staging_and_production_name_their_evidence_too(two: Registry) -> None:
    promote(two, "p", 1, ANN)
    promote(two, "p", 2, ANN)
    stale = preview_promotion(two, "p", 2, NOW_BECAUSE).evidence
    approve(two, "p", 2, NOW_BECAUSE)
    with pytest.raises(EvidenceMoved):
        promote(two, "p", 2, on(stale, reason="x", now=True))
    with pytest.raises(EvidenceMoved):
        promote(two, "p", 1, on(stale))
