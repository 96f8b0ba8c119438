"""The drift check of the release in Production, against the reference profile in that release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from touchline.errors import ReleaseNotFound
from touchline.monitoring import DriftVerdict, check_release_drift
from touchline.registry import Releases, read_version
from touchline.statistics import Profile

if TYPE_CHECKING:
    from touchline.project import Project
    from touchline.registry import Registry


def check_production_drift(project: Project, stores: Registry) -> DriftVerdict:
    """Compare the requests and predictions since the last verdict with the release's reference window."""
    version = read_version(stores, project.name, "Production")
    release = Releases(stores).find(version.release_id or "")
    if release is None:
        raise ReleaseNotFound(project.name, version.release_id or "of Production")
    with np.load(release.path / "profile.npz", allow_pickle=False) as arrays:
        profile = Profile.from_arrays(arrays)
    return check_release_drift(
        stores.database,
        project.name,
        release.id,
        profile=profile,
        rule=project.monitoring.drift,
        clock=stores.clock,
    )
