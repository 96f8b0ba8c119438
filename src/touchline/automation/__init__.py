"""A project and its stores come in, a recorded pipeline run goes out: ingest to promotion, and why it ran.

It promises that the same command carries on after a kill at any step: every step is named by the
content it works on, so what is done is found again and not done twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.automation.pipeline import PipelineReport as PipelineReport
    from touchline.automation.pipeline import check_production_drift as check_production_drift
    from touchline.automation.pipeline import judges_of as judges_of
    from touchline.automation.pipeline import material_of as material_of
    from touchline.automation.pipeline import registry_of as registry_of
    from touchline.automation.pipeline import run_pipeline as run_pipeline
    from touchline.automation.record import RecordedRun as RecordedRun
    from touchline.automation.record import last_declaration as last_declaration
    from touchline.automation.record import recorded_runs as recorded_runs
    from touchline.automation.steps import PipelineStores as PipelineStores
    from touchline.automation.steps import Workplace as Workplace
    from touchline.automation.steps import ingest_and_settle as ingest_and_settle

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.automation.pipeline": [
            "PipelineReport",
            "check_production_drift",
            "judges_of",
            "material_of",
            "registry_of",
            "run_pipeline",
        ],
        "touchline.automation.steps": ["PipelineStores", "Workplace", "ingest_and_settle"],
        "touchline.automation.record": ["RecordedRun", "last_declaration", "recorded_runs"],
    },
)
