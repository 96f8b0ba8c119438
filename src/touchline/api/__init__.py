"""Stores and declarations come in, JSON for the dashboard and for automation goes out, under `/api`.

Each route exists twice: for the default project, and under `/api/projects/{name}`. An error is an RFC 9457 problem
document. A project's code is imported at the first request that needs it.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
