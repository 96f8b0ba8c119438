"""Damage of what the registry stores: the journal, releases, the files of runs and training sets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from touchline.automation.runs import steps
from touchline.automation.upkeep.damage import Damage
from touchline.errors import NotEvaluated, ObjectNotFound, StoredFileDamaged, TouchlineError
from touchline.features import read_training_set
from touchline.registry import (
    Releases,
    build_release,
    copy_changes,
    damaged_files,
    declared_families,
    find_file_list,
    forget_damaged_copies,
    lost_changes,
    mirror,
    newest_copy,
    read_version,
    read_versions,
    restore_changes,
    write_file_list,
)

if TYPE_CHECKING:
    from touchline.automation.runs.steps import PipelineContext
    from touchline.registry import ModelVersion

_FROM_BACKUP = "Restore it from a backup, or train again: touchline train --force."


def find_journal_damage(context: PipelineContext) -> Iterator[Damage]:
    """Stage changes that the database lost, and copies of stage changes that are missing or damaged."""
    stores, project = context.stores, context.project.name
    again = "To copy the stage changes again", partial(_copy_again, context)
    try:
        found = lost_changes(stores, project)
    except StoredFileDamaged as damaged:
        yield Damage("copy of the journal", str(damaged), *again)
        return
    if found.conflict is not None:
        change = found.conflict.change
        problem = f"entry {change.sequence} of the database is another than its copy, {change.describe()}"
        step = (
            f"Restore the database from a backup. To go on with this one for good, delete the folder {project}/journal "
            "of the object store, then: touchline doctor --repair"
        )
        yield Damage("journal", problem, step)
    elif found.lost:
        first = found.lost[0].change
        problem = (
            f"the database has lost {len(found.lost)} stage changes, and with them other new rows; "
            f"the first is {first.describe()}"
        )
        repair = partial(_restore_journal, context)
        yield Damage("journal", problem, "To write them back from their copies, unless you have a backup", repair)
    elif missing := len(stores.journal.history(project)) - found.copies:
        yield Damage("copy of the journal", f"{missing} stage changes have no copy", *again)


def _copy_again(context: PipelineContext) -> str:
    forget_damaged_copies(context.stores, context.project.name)
    copy_changes(context.stores, context.project.name)
    return f"copied up to entry {newest_copy(context.stores.objects, context.project.name)}"


def _restore_journal(context: PipelineContext) -> str:
    restored = restore_changes(context.stores, context.project.name)
    return (
        f"{restored} stage changes were written back; ingest again for the data, and see touchline clock show. "
        "Predictions and outcomes that were lost with them are only in a backup."
    )


def find_release_damage(context: PipelineContext) -> Iterator[Damage]:
    """The releases that do not load."""
    stores, project = context.stores, context.project.name
    families = declared_families(context.project.training)
    releases = Releases(stores, lambda _: families)
    state = stores.journal.state(project)
    for version, release_id in sorted(state.releases.items()):
        try:
            releases.open(release_id)
        except (TouchlineError, OSError) as failure:
            yield Damage(
                f"release of version {version}",
                str(failure),
                "To build it again from the files of its run",
                partial(_build_again, context, version, release_id),
            )


def _build_again(context: PipelineContext, version: int, release_id: str) -> str:
    stores, project = context.stores, context.project.name
    families = declared_families(context.project.training)
    try:
        built = build_release(stores, read_version(stores, project, version), lambda _: families)
    except (NotEvaluated, ObjectNotFound, OSError) as missing:
        raise _RunDamaged(version) from missing
    if built.id != release_id:
        raise _RunDamaged(version)
    mirror(stores, project)
    return "built again, with the same digest"


class _RunDamaged(TouchlineError):
    def __init__(self, version: int) -> None:
        super().__init__(
            f"The files of the run of version {version} are missing or damaged as well. Restore them from a backup, or "
            "train again: touchline train --force."
        )


def find_run_damage(context: PipelineContext) -> Iterator[Damage]:
    """Files of trainings that are not as they were written."""
    objects = context.stores.objects
    for version in read_versions(context.stores, context.project.name):
        what = f"run of version {version.version}"
        try:
            found = list(damaged_files(objects, version.object_key))
        except StoredFileDamaged as damaged:
            yield Damage(f"list of the files of the {what}", str(damaged), *_listing(context, version))
            continue
        if found:
            key, problem, _ = found[0]
            words = f"{len(found)} of its files are damaged; first: {key}, {problem}"
            yield Damage(what, words, "To copy them from the release", partial(_copy_from_release, context, version))
        elif not objects.exists(f"{version.object_key}/facts.json"):
            yield Damage(what, "its files are missing", _FROM_BACKUP)
        elif find_file_list(objects, version.object_key) is None:
            problem = "no list says how its files were written"
            yield Damage(f"list of the files of the {what}", problem, *_listing(context, version))


def _listing(context: PipelineContext, version: ModelVersion) -> tuple[str, partial[str]]:
    return "To list the files as they are now", partial(_list_again, context, version)


def _list_again(context: PipelineContext, version: ModelVersion) -> str:
    objects, key = context.stores.objects, version.object_key
    if (damaged := find_file_list(objects, key)) is not None:
        objects.delete(damaged)
    write_file_list(objects, key)
    return "listed as they are now"


def _copy_from_release(context: PipelineContext, version: ModelVersion) -> str:
    """Put back the files that the release has with the listed hash; raises where another one is damaged."""
    objects, release = context.stores.objects, context.stores.journal.state(version.project).releases
    folder = f"{version.project}/releases/{release.get(version.version, '')}"
    damaged = list(damaged_files(objects, version.object_key))
    for key, _, _ in damaged:
        copy = f"{folder}/{key.removeprefix(f'{version.object_key}/')}"
        if objects.exists(copy):
            objects.write(key, objects.read(copy))
    left = [key for key, _, _ in damaged_files(objects, version.object_key)]
    if left:
        raise _NotInRelease(version.version, left[0])
    return f"{len(damaged)} files copied from the release"


class _NotInRelease(TouchlineError):
    def __init__(self, version: int, key: str) -> None:
        super().__init__(
            f"The release of version {version} has no sound copy of {key}. {_FROM_BACKUP} Serving does not need it."
        )


def find_training_set_damage(context: PipelineContext) -> Iterator[Damage]:
    """Stored training sets of versions that are not as they were written."""
    stores, project = context.stores, context.project.name
    for hash in sorted({version.training_set_hash for version in read_versions(stores, project)}):
        try:
            read_training_set(hash, project=project, stores=stores)
        except (StoredFileDamaged, ObjectNotFound) as damaged:
            repair = partial(_assemble_again, context, hash)
            yield Damage(f"training set {hash}", str(damaged), "To join it again from the present data", repair)


def _assemble_again(context: PipelineContext, hash: str) -> str:
    snapshots = steps.current_snapshots(context)
    histories = steps.compute_features(context, snapshots)
    examples = steps.current_examples(context, snapshots)
    joined = steps.assemble_training_set(context, examples, snapshots=snapshots, histories=histories)
    if joined.hash != hash:
        raise _OtherData(hash, joined.hash)
    return "joined again, with the same hash"


class _OtherData(TouchlineError):
    def __init__(self, hash: str, present: str) -> None:
        super().__init__(
            f"The present data and declaration give the training set {present}, not {hash}. {_FROM_BACKUP} "
            "Serving does not need it; only touchline models reproduce and the gates of its version do."
        )
