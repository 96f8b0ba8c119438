"""A project and its stores come in, a recorded pipeline run goes out: ingest to promotion, and why it ran.

It promises that the same command carries on after a kill at any step: every step is named by the
content it works on, so what is done is found again and not done twice.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
