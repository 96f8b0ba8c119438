"""The declaration: `project.py` comes in, a loaded and checked `Project` goes out.

The room joins the slices that the rooms below declare and adds those of the rooms above (`Retrain`).
It promises that a declaration which loads is consistent: every view reads a declared source, every
joined view is declared, every gate names a metric of the task.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
