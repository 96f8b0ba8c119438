"""The aliases and tags that MLflow shows, computed from the journal and never read as truth."""

from __future__ import annotations

from dataclasses import dataclass

from touchline.registry.journal.stages import StageState
from touchline.registry.journal.versions import ModelVersion


@dataclass(frozen=True)
class Projection:
    """MLflow's view of a project: the version behind each alias (None: no alias), and each version's tags."""

    aliases: dict[str, int | None]
    tags: dict[int, dict[str, str]]


def projection_of(state: StageState, versions: list[ModelVersion]) -> Projection:
    """The aliases and tags that follow from the journal."""
    aliases = {"staging": state.staging, "production": state.production, "rollback": state.rollback}
    return Projection(aliases, {version.version: _tags(version, state) for version in versions})


def _tags(version: ModelVersion, state: StageState) -> dict[str, str]:
    tags = {f"touchline.{name}_hash": value for name, value in version.hashes.items()}
    tags["touchline.stage"] = state.stage(version.version)
    tags["touchline.semantic_version"] = version.semantic_version
    if version.ticket:
        tags["touchline.ticket"] = version.ticket
    if release := state.releases.get(version.version):
        tags["touchline.release"] = release
    return tags
