"""Stores and declarations come in, JSON for the dashboard and for automation goes out, under `/api`.

It promises that each route exists twice, for the default project and under `/api/projects/{name}`; that what goes
wrong is an RFC 9457 problem document; and that a project's code is imported at the first request that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.api.online_values import OnlineValues as OnlineValues
    from touchline.api.online_values import entity_keys as entity_keys
    from touchline.api.online_values import read_online as read_online

__getattr__ = lazy_names(
    __name__,
    {"touchline.api.online_values": ["OnlineValues", "entity_keys", "read_online"]},
)
