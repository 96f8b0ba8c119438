"""MLflow's aliases and tags as a mirror of the journal: computed from it, never read as truth."""

from __future__ import annotations

from dataclasses import dataclass

from touchline.registry.journal.stages import StageState
from touchline.registry.runs.versions import ModelVersion, Registry, read_versions


@dataclass(frozen=True)
class Projection:
    """What MLflow shall show: the version behind each alias (None: no alias), and each version's tags."""

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


def project_aliases(registry: Registry, project: str) -> list[str]:
    """Make MLflow show what the journal says; what had to be changed, in words. Repeating it changes nothing.

    Raises `TrackingUnavailable` when MLflow stays away; the journal is right all the same, and the next
    call repairs the mirror.
    """
    wanted = projection_of(registry.journal.state(project), read_versions(registry, project))
    return registry.tracking.attempt(lambda: _project(registry, project, wanted))


def _project(registry: Registry, project: str, wanted: Projection) -> list[str]:
    from mlflow.exceptions import MlflowException

    client = registry.tracking.client
    try:
        found = dict(client.get_registered_model(project).aliases)
    except MlflowException as missing:
        if missing.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []
    changed = []
    for alias, version in wanted.aliases.items():
        has = found.get(alias)
        if version is not None and str(has) != str(version):
            client.set_registered_model_alias(project, alias, str(version))
            changed.append(f"{alias} -> {version}")
        elif version is None and has is not None:
            client.delete_registered_model_alias(project, alias)
            changed.append(f"{alias} removed")
    for mirrored in client.search_model_versions(f"name = '{project}'"):
        tags = wanted.tags.get(int(mirrored.version), {})
        for name, value in tags.items():
            if mirrored.tags.get(name) != value:
                client.set_model_version_tag(project, str(mirrored.version), name, value)
                changed.append(f"version {mirrored.version}: {name}={value}")
    return changed
