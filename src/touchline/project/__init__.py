"""The declaration: `project.py` comes in, a loaded and checked `Project` goes out.

The room joins the slices that the rooms below declare and adds those of the rooms above (`Retrain`).
It promises that a declaration which loads is consistent: every view reads a declared source, every
joined view is declared, every gate names a metric of the task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.project.clocks import StoredClock as StoredClock
    from touchline.project.clocks import advance_clock as advance_clock
    from touchline.project.clocks import clock_of as clock_of
    from touchline.project.clocks import project_clock as project_clock
    from touchline.project.load import LoadedProject as LoadedProject
    from touchline.project.load import find_projects as find_projects
    from touchline.project.load import load_project as load_project
    from touchline.project.plan import Plan as Plan
    from touchline.project.plan import PlannedChange as PlannedChange
    from touchline.project.plan import declared_state as declared_state
    from touchline.project.plan import plan_changes as plan_changes
    from touchline.project.scaffold import write_project as write_project
    from touchline.project.spec import Project as Project
    from touchline.project.spec import Retrain as Retrain
    from touchline.project.spec import SampleClock as SampleClock

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.project.spec": ["Project", "Retrain", "SampleClock"],
        "touchline.project.load": ["LoadedProject", "find_projects", "load_project"],
        "touchline.project.clocks": ["StoredClock", "advance_clock", "clock_of", "project_clock"],
        "touchline.project.plan": ["Plan", "PlannedChange", "declared_state", "plan_changes"],
        "touchline.project.scaffold": ["write_project"],
    },
)
