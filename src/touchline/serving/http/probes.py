"""The probes of an orchestrator: liveness and readiness. They need no key and no admission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from touchline.serving.http.state import Serving

Probe = Callable[[Serving], tuple[int, dict[str, Any]]]


def _alive(serving: Serving) -> tuple[int, dict[str, Any]]:  # noqa: ARG001  that it answers is the answer
    return 200, {"status": "alive"}


def _ready(serving: Serving) -> tuple[int, dict[str, Any]]:
    state = {name: slot.current is not None and not slot.lacks_features for name, slot in serving.slots.items()}
    if serving.is_ready:
        return 200, {"status": "ready", "projects": state}
    return 503, {"status": "not ready", "projects": state}


PROBES: dict[str, Probe] = {"/healthz": _alive, "/readyz": _ready}
SUMMARIES = {"/healthz": "Whether the process lives", "/readyz": "Whether it can answer"}
