"""MLflow's aliases and tags, kept equal to the journal."""

from __future__ import annotations

from touchline.registry.journal.projection import Projection, projection_of
from touchline.registry.journal.versions import Registry, read_versions


def project_aliases(registry: Registry, project: str) -> list[str]:
    """Bring MLflow's aliases and tags up to the journal; returns the changes in words. Repeating it changes nothing.

    Raises `TrackingUnavailable` when MLflow stays away; the journal is right all the same, and the next
    call repairs the aliases.
    """
    if not registry.tracking.has_registry:
        return []
    projection = projection_of(registry.journal.state(project), read_versions(registry, project))
    return registry.tracking.attempt(lambda: _update(registry, project, projection))


def _update(registry: Registry, project: str, projection: Projection) -> list[str]:
    from mlflow.exceptions import MlflowException

    client = registry.tracking.client
    try:
        aliases = dict(client.get_registered_model(project).aliases)
    except MlflowException as missing:
        if missing.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return []
    changed = []
    for alias, version in projection.aliases.items():
        current = aliases.get(alias)
        if version is not None and str(current) != str(version):
            client.set_registered_model_alias(project, alias, str(version))
            changed.append(f"{alias} -> {version}")
        elif version is None and current is not None:
            client.delete_registered_model_alias(project, alias)
            changed.append(f"{alias} removed")
    for mirrored in client.search_model_versions(f"name = '{project}'"):
        tags = projection.tags.get(int(mirrored.version), {})
        for name, value in tags.items():
            if mirrored.tags.get(name) != value:
                client.set_model_version_tag(project, str(mirrored.version), name, value)
                changed.append(f"version {mirrored.version}: {name}={value}")
    return changed
