"""Stores and declarations come in, JSON for the dashboard and for automation goes out, under `/api`.

It promises that each route exists twice, for the default project and under `/api/projects/{name}`; that what goes
wrong is an RFC 9457 problem document; and that a project's code is imported at the first request that needs it.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
