"""The key of a training: it covers everything that decides the result, so an equal key means an equal version."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from touchline.project import LoadedProject


def training_key(loaded: LoadedProject, training_set_hash: str, libraries: Mapping[str, str]) -> str:
    """A hash of the training set, the declared training, the project's code, the libraries and the machine."""
    task = loaded.project.task
    parts = {
        "training_set": training_set_hash,
        "training": loaded.project.training.model_dump_json(),
        "code": loaded.code_hash,
        "examples": task.examples.version,
        "views": {join.view.name: join.view.feature_version for join in task.features},
        "transforms": {transform.name: transform.version for transform in task.on_demand},
        "libraries": {**libraries, "touchline": version("touchline"), "python": platform.python_version()},
        "machine": platform.machine(),
    }
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
