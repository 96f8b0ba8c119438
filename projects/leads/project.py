"""Leads: who will buy. The table is a setting (`settings.py`): caravan insurance by default, which is packaged.

What is scored is a list that somebody calls from the top, so the gate is the area under the precision-recall curve,
and the decision weighs a missed buyer five times a call in vain.
"""

from __future__ import annotations

from touchline import Monitoring, Project, Retrain, SampleClock

from .bank import bank
from .caravan import caravan
from .olist import olist
from .routes import score_routes
from .settings import read_settings
from .x_education import x_education

settings = read_settings()
tables = {
    "caravan": caravan,
    "bank": lambda: bank(settings.data.absolute()),
    "olist": lambda: olist(settings.data.absolute()),
    "x_education": lambda: x_education(settings.data.absolute()),
}
table = tables[settings.table]()

project = Project(
    name="leads",
    description=f"Who will buy: {settings.table}",
    sources=[table.source],
    task=table.task(),
    training=table.training(is_random=settings.split == "random"),
    gates=table.gates,
    retrain=Retrain(on_new_data=True),
    monitoring=Monitoring(),
    routers=[score_routes],
    clock=SampleClock(at=table.clock),
)
