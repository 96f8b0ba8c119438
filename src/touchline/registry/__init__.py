"""From a trained candidate to the release that is served, with every decision on record.

In: a `TrainingResult`, the declared gates, a person's wish to promote. Out: a run and a model version in
MLflow, entries of the journal, immutable release bundles.

Promises: the journal is append-only and decides what is live, MLflow's aliases and tags only mirror it;
of two who change a stage at once one wins and the other is told by whom; no version passes a gate that
said no; a release never changes and is verified before it predicts; a kill at any step leaves a state
from which the same command carries on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.registry.evidence import Evidence as Evidence
    from touchline.registry.evidence import Opponent as Opponent
    from touchline.registry.gates import GateReport as GateReport
    from touchline.registry.gates import GateResult as GateResult
    from touchline.registry.gates import check_gate as check_gate
    from touchline.registry.gates import check_gates as check_gates
    from touchline.registry.journal import Journal as Journal
    from touchline.registry.journal import Move as Move
    from touchline.registry.spec import Gate as Gate
    from touchline.registry.stages import Reference as Reference
    from touchline.registry.stages import Stage as Stage
    from touchline.registry.stages import StageChange as StageChange
    from touchline.registry.stages import StageState as StageState
    from touchline.registry.stages import parse_reference as parse_reference

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.registry.evidence": ["Evidence", "Opponent"],
        "touchline.registry.gates": ["GateReport", "GateResult", "check_gate", "check_gates"],
        "touchline.registry.journal": ["Journal", "Move"],
        "touchline.registry.spec": ["Gate"],
        "touchline.registry.stages": ["Reference", "Stage", "StageChange", "StageState", "parse_reference"],
    },
)
