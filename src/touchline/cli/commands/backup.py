"""`touchline backup`: make, list, verify and restore backups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from touchline import automation, backup, errors, ingest, registry
from touchline import project as projects
from touchline.cli.opening import Home, JsonOption, OpenedProject, open_home, pipeline_context
from touchline.cli.output import print_json, print_table, progress
from touchline.clock import SystemClock

if TYPE_CHECKING:
    from touchline.training import Family

group = typer.Typer(help="Backups: one consistent set of a home, taken while it runs.", no_args_is_help=True)
NameArgument = Annotated[str | None, typer.Argument(help="Name of the set; default: the newest one.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Folder or bucket; default: TOUCHLINE_BACKUP_TO.")]
AlsoToOption = Annotated[
    str | None, typer.Option("--also-to", help="A second place; default: TOUCHLINE_BACKUP_ALSO_TO.")
]
KeepOption = Annotated[str, typer.Option("--keep", help="Days, weeks and months of which the newest set stays.")]
FromOption = Annotated[str | None, typer.Option("--from", help="Backup place; default: TOUCHLINE_BACKUP_TO.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="backup")
    group.command()(create)
    group.command()(mlflow)
    group.command("list")(list_sets)
    group.command()(verify)
    group.command()(restore)


def create(
    to: ToOption = None,
    also_to: AlsoToOption = None,
    *,
    keep: KeepOption = "7,5,12",
    as_json: JsonOption = False,
) -> None:
    """Make a backup while the system runs, then delete the sets that are too old.

    With TOUCHLINE_BACKUP_PASSWORD it is written by restic: encrypted, each block once. Without, as plain files, each
    content once.

    Example: touchline backup create --to /mnt/backups/touchline
    """
    home = open_home()
    retention, places = _retention(keep), _places(home, to, also_to)
    with progress("backup", quiet=as_json) as on_progress:
        created = backup.back_up_home(_state(home), places, retention, clock=SystemClock(), on_progress=on_progress)
    _print_created(created, as_json=as_json)


def mlflow(
    database: Annotated[Path, typer.Argument(help="The SQLite file of an MLflow.", exists=True)],
    artifacts: Annotated[Path, typer.Argument(help="The folder of its artifacts.", exists=True)],
    to: ToOption = None,
    also_to: AlsoToOption = None,
    *,
    keep: KeepOption = "7,5,12",
    as_json: JsonOption = False,
) -> None:
    """Back up an MLflow that touchline does not manage: its database and artifacts, captured together.

    It needs a place of its own. A restore gives the database the new addresses of its artifacts.

    Example: touchline backup mlflow mlflow.db mlartifacts --to /mnt/backups/mlflow
    """
    home = open_home()
    retention, places = _retention(keep), _places(home, to, also_to)
    files = backup.MlflowFiles(database, artifacts)
    created = backup.back_up_mlflow(files, places, retention, scratch=home.folder, now=SystemClock().wall())
    _print_created(created, as_json=as_json)


def list_sets(place: FromOption = None, as_json: JsonOption = False) -> None:
    """List the sets of a backup place.

    Example: touchline backup list --from /mnt/backups/touchline
    """
    opened = _place(open_home(), place)
    names = opened.names()
    if as_json:
        print_json(names)
    else:
        print_table(f"backups in {opened.label}", ["set", "made"], names.items())


def verify(
    name: NameArgument = None,
    place: FromOption = None,
    *,
    sample: Annotated[int, typer.Option(min=1, help="Logged predictions of each project to compute again.")] = 1_000,
    scratch: Annotated[Path | None, typer.Option("--in", help="Folder for the scratch home.", exists=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a backup can be restored.

    It is restored into a scratch home in another folder, which computes logged predictions again. Exit code 1 when
    one differs. Recovery time is what the restore took; recovery point is the age of the set: what came later is lost.

    Example: touchline backup verify --from /mnt/backups/touchline
    """
    home = open_home()
    with progress("verify", quiet=as_json) as on_progress:
        drill = backup.RestoreDrill(_families_of, sample=sample, scratch=scratch)
        report = backup.verify_backup(
            _place(home, place), name, drill, now=SystemClock().wall(), on_progress=on_progress
        )
    print_json({**vars(report), "is_equal": report.is_equal}) if as_json else _print_report(report)
    raise typer.Exit(0 if report.is_equal else 1)


def restore(
    name: NameArgument = None,
    place: FromOption = None,
    *,
    into: Annotated[Path, typer.Option("--into", help="New folder: gets .touchline and projects.")],
    as_json: JsonOption = False,
) -> None:
    """Restore a backup into a new folder, as a home with embedded stores.

    The state is in its folder .touchline, the declarations in projects. The online store is filled from the feature
    histories. To go on with servers, use `touchline migrate --to`. Nothing is ever overwritten.

    Example: touchline backup restore --from /mnt/backups/touchline --into /srv/touchline
    """
    with progress("restore", quiet=as_json) as on_progress:
        on_progress("check every file")
        restored = backup.restore_set(
            _place(open_home(), place), name, home=into / ".touchline", projects=into / "projects"
        )
        filled = [text for folder in restored.projects for text in _filled(restored, folder)]
        missing = [line for folder in restored.projects for line in _missing(folder, base=into)]
    result = {
        "name": restored.backup.id,
        "home": restored.home,
        "projects": restored.projects,
        "online": filled,
        "missing_files": missing,
    }
    if as_json:
        print_json(result)
        return
    typer.echo(f"backup {restored.backup.id} is restored: TOUCHLINE_HOME={restored.home.absolute()}")
    for line in (*filled, *restored.backup.left_out):
        typer.echo(f"  {line}")
    if missing:
        typer.echo("Data files are not in a backup. Bring these before the next ingest:")
        for line in missing:
            typer.echo(f"  {line}")


def _address(home: Home, given: str | None) -> str:
    if (address := given or home.settings.backup_to) is None:
        raise errors.BackupRefused("No backup place: name one (--to, --from), or set TOUCHLINE_BACKUP_TO.")
    return address


def _place(home: Home, address: str | None) -> backup.BackupPlace:
    """A place that is read."""
    backup.require_folder(place := _address(home, address))
    return backup.open_place(place, password=home.settings.backup_password)


def _places(home: Home, to: str | None, also_to: str | None) -> list[backup.BackupPlace]:
    """The places that a backup is written to."""
    second = also_to or home.settings.backup_also_to
    addresses = [_address(home, to), *([second] if second else [])]
    backup.validate_places(addresses, home=home.folder)
    return backup.open_places(addresses, password=home.settings.backup_password)


def _retention(keep: str) -> backup.Retention:
    counts = [part.strip() for part in keep.split(",")]
    if len(counts) != 3 or not all(count.isdecimal() for count in counts):
        raise errors.BackupRefused(f"--keep {keep}: write the number of days, weeks and months, such as 7,5,12.")
    return backup.Retention(*map(int, counts))


def _print_created(created: backup.CreatedBackup, *, as_json: bool) -> None:
    if as_json:
        print_json(created)
        return
    for place, removed in created.removed.items():
        typer.echo(f"backup {created.name} is in {place}; {len(removed)} old sets deleted")


def _state(home: Home) -> backup.HomeState:
    from touchline.settings import SECRETS

    settings = home.settings
    shown = {
        field: errors.without_passwords(str(value)) if isinstance(value, str) else value
        for field, value in settings.model_dump(mode="json", exclude=set(SECRETS), exclude_defaults=True).items()
    }
    found = projects.find_projects(settings.projects, base=home.base)
    code = {folder.name: registry.project_code(folder) for folder in found}
    return backup.HomeState(home.folder, home.database, home.objects, settings.tracking_uri, shown, code)


def _families_of(restored: backup.Restored) -> registry.Families:
    def families(project: str) -> Mapping[str, Family]:
        folder = next(folder for folder in restored.projects if folder.name == project)
        loaded = projects.load_project(folder, base=folder.parent)
        return registry.declared_families(loaded.project.training)

    return families


def _missing(folder: Path, *, base: Path) -> list[str]:
    """The files that the sources of a restored project read and that are not there, each with its source."""
    try:
        declared = projects.load_project(folder, base=base).project
    except errors.TouchlineError:
        return []  # `_filled` says why
    places = {source.name: ingest.missing_files(source.provider, base.absolute()) for source in declared.sources}
    return [f"{place} ({declared.name}.{name})" for name, place in places.items() if place is not None]


def _filled(restored: backup.Restored, folder: Path) -> list[str]:
    """What was put into the online store of the restored home; in words where that was not possible."""
    from touchline.settings import Settings

    home = Home(Settings.model_validate({"home": restored.home}), folder.parent.parent)
    try:
        loaded = projects.load_project(folder, base=home.base)
        return automation.fill_online_values(pipeline_context(OpenedProject(home, loaded)))
    except errors.TouchlineError as failure:
        return [f"{folder.name}: the online store is not filled ({failure}); then run: touchline doctor --repair"]


def _print_report(report: backup.VerifiedBackup) -> None:
    size = f"{report.files:,} files, {report.size / 1e6:,.1f} MB, {report.rows:,} rows"
    typer.echo(f"backup {report.name} in {report.place}: {size}; every file is what was written")
    for proof in report.proofs:
        if not proof.replayed:
            typer.echo(f"{proof.project}: no logged prediction to compute again; its releases load")
            continue
        verdict = "all equal" if not proof.mismatches else f"{len(proof.mismatches)} DIFFER"
        typer.echo(f"{proof.project}: {proof.replayed:,} logged predictions computed again, {verdict}")
        for mismatch in proof.mismatches[:20]:
            typer.echo(f"  {mismatch.prediction_id}: {mismatch.difference}")
    typer.echo(f"recovery time: {report.recovery_seconds:.1f} s to a home whose releases load")
    age = str(report.age).partition(".")[0]
    typer.echo(f"recovery point: {report.created_at:%Y-%m-%d %H:%M:%S} UTC, {age} before now")
    for line in report.left_out:
        typer.echo(f"not in the set: {line}")
