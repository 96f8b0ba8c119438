"""Runs and model versions in MLflow, written so that a second attempt finds what the first left."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from touchline.errors import TrackingUnavailable
from touchline.registry.release.digest import file_hashes
from touchline.registry.runs.embedded_files import adopt_files, database_file, exclusive, prepare_database
from touchline.registry.runs.mlflow_files import dataset_input, save_pyfunc
from touchline.training import Model

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY_TAG: Final = "touchline.key"
# Seconds before each further attempt: longer in total than a busy database blocks, short enough for a person.
PATIENCE: Final = (0.2, 1.0, 3.0, 6.0)
_PASSING: Final = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "ABORTED"})
# Left to itself the client repeats a refused connection for minutes, and reports on its use to a host elsewhere.
_CLIENT_SETTINGS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

_SOURCE_TAGS: Final = {"mlflow.source.name": "touchline train", "mlflow.source.type": "LOCAL"}

T = TypeVar("T")
RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class RunLog:
    """One training as MLflow shall show it. `key` names it: the same key is never logged twice.

    `files` is a folder whose content becomes the run's artifacts; `about` says what the project is for.
    """

    project: str
    key: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    model: Model
    example: Sequence[Sequence[float]]
    files: Path
    dataset: Mapping[str, str]
    ended_at_ms: int
    seconds: float
    children: Sequence[ChildRun] = ()
    description: str = ""
    about: str = ""


@dataclass(frozen=True)
class ChildRun:
    """A candidate or a trial, shown below the run it belongs to."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    seconds: float
    tags: Mapping[str, str] = field(default_factory=dict)
    status: RunStatus = "FINISHED"
    children: Sequence[ChildRun] = ()
    description: str = ""


@dataclass(frozen=True)
class LoggedRun:
    """The place of a training in MLflow: its run and its model version."""

    run_id: str
    version: int


class Tracking:
    """One MLflow, embedded or a server. `artifacts` is the folder for files where MLflow runs embedded."""

    has_registry: ClassVar[bool] = True

    def __init__(self, uri: str, *, artifacts: Path | None = None, patience: Sequence[float] = PATIENCE) -> None:
        if artifacts is None and not is_server(uri):
            # MLflow's own choice would be the folder that the process happens to stand in.
            raise ValueError(f"MLflow at {uri} runs embedded: say with artifacts= where its files lie.")
        self.uri = uri
        self.artifacts = artifacts
        self._patience = tuple(patience)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client. The import costs seconds, so only what needs MLflow pays it."""
        for name, value in _CLIENT_SETTINGS.items():
            os.environ.setdefault(name, value)
        with quiet():
            from mlflow import MlflowClient

        # Below an error it tells of its own tables and of environments that nobody here asked for.
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        if self.artifacts is not None:
            adopt_artifacts(self.uri, self.artifacts)
            with quiet(), exclusive(self.artifacts):
                prepare_database(self.uri, _make_tables)
        with quiet():  # it opens the database
            return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def log_run(self, run: RunLog) -> LoggedRun:
        """Log the run, its model and its version. After a failure nothing counts as registered, and the same
        call finishes what is missing. Raises `TrackingUnavailable` when MLflow stays away.
        """
        return self.attempt(lambda: self._log_run(run))

    def local_hashes(self, logged: LoggedRun) -> dict[str, str]:
        """SHA-256 of the files of a run and of its model by their paths below `artifacts`; none where MLflow is a
        server.
        """
        if self.artifacts is None:
            return {}
        run = self.client.get_run(logged.run_id)
        places = [str(run.info.artifact_uri)]
        models = run.outputs.model_outputs if run.outputs else ()
        places += [str(self.client.get_logged_model(model.model_id).artifact_location) for model in models]
        root = self.artifacts.absolute()
        folders = [Path(url2pathname(urlsplit(place).path)) for place in places]
        return {
            (folder / path).relative_to(root).as_posix(): digest
            for folder in folders
            if folder.is_relative_to(root)
            for path, digest in file_hashes(folder).items()
        }

    def attempt(self, act: Callable[[], T]) -> T:
        """Return the result of `act`; repeat it while MLflow is unreachable or its database locked."""
        for delay in (*self._patience, None):
            try:
                with quiet():
                    return act()
            except Exception as failure:  # MLflow passes on errors of every library below it
                if not is_passing(failure):
                    raise
                last = failure
                if delay is not None:
                    time.sleep(delay)
        raise TrackingUnavailable(self.uri, len(self._patience) + 1, _first_line(last)) from last

    def _log_run(self, run: RunLog) -> LoggedRun:
        experiment = self._experiment(run)
        run_id = self._finished_run(experiment, run.key) or self._new_run(experiment, run)
        return LoggedRun(run_id, self._version(run, run_id))

    def _experiment(self, run: RunLog) -> str:
        from mlflow.exceptions import MlflowException

        name = experiment_name(run.project)
        if found := self.client.get_experiment_by_name(name):
            return str(found.experiment_id)
        place = (self.artifacts / name).absolute().as_uri() if self.artifacts else None
        # Without a kind, MLflow's page of an experiment opens on traces of language models.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        tags = {"touchline.project": run.project, "mlflow.note.content": _experiment_note(run), **kind}
        try:
            return str(self.client.create_experiment(name, artifact_location=place, tags=tags))
        except MlflowException as taken:
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise taken
            return str(found.experiment_id)

    def _finished_run(self, experiment: str, key: str) -> str | None:
        """The run of that key; an attempt that was cut off is removed, so that nobody takes it for a run."""
        finished = None
        for run in self.client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'"):
            if run.info.status == "FINISHED":
                finished = str(run.info.run_id)
                continue
            for output in run.outputs.model_outputs if run.outputs else ():
                self.client.delete_logged_model(output.model_id)
            self.client.delete_run(run.info.run_id)
        return finished

    def _new_run(self, experiment: str, run: RunLog) -> str:
        started_at = run.ended_at_ms - int(run.seconds * 1000)
        tags = {**_SOURCE_TAGS, **run.tags, KEY_TAG: run.key, "mlflow.note.content": run.description}
        run_id = str(
            self.client.create_run(experiment, start_time=started_at, tags=tags, run_name=run.name).info.run_id
        )
        self.client.log_inputs(run_id, [dataset_input(run.dataset, run.model.columns)])
        model_id = self._log_model(experiment, run_id, run)
        self._log_numbers(run_id, run.metrics, run.params, run.ended_at_ms, model_id)
        self.client.log_artifacts(run_id, str(run.files))
        for child in run.children:
            self._child(experiment, run_id, run, child)
        self.client.set_terminated(run_id, "FINISHED", end_time=run.ended_at_ms)
        return run_id

    def _log_model(self, experiment: str, run_id: str, run: RunLog) -> str:
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model as MlflowModel

        logged = self.client.create_logged_model(
            experiment, name=run.project, source_run_id=run_id, params=dict(run.params), model_type=run.model.family
        )
        self.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        with TemporaryDirectory() as folder:
            record = MlflowModel(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
                metadata=dict(run.tags),
            )
            save_pyfunc(Path(folder) / "model", record, run.model, run.example)
            self.client.log_model_artifacts(logged.model_id, str(Path(folder) / "model"))
        self.client.finalize_logged_model(logged.model_id, "READY")
        return str(logged.model_id)

    def _log_numbers(
        self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, str], at_ms: int, model_id: str | None
    ) -> None:
        """All numbers in one call: one by one costs three times what a hundred together do."""
        from mlflow.entities import Metric, Param

        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, at_ms, 0, model_id=model_id) for name, value in metrics.items()],
            params=[Param(name, value[:6000]) for name, value in params.items()],
        )

    def _child(self, experiment: str, parent: str, run: RunLog, child: ChildRun) -> None:
        tags = {**child.tags, **_SOURCE_TAGS, "mlflow.parentRunId": parent, "touchline.project": run.project}
        if child.description:
            tags["mlflow.note.content"] = child.description
        started_at = run.ended_at_ms - int(child.seconds * 1000)
        created = self.client.create_run(experiment, start_time=started_at, tags=tags, run_name=child.name)
        self._log_numbers(created.info.run_id, child.metrics, child.params, run.ended_at_ms, None)
        self.client.set_terminated(created.info.run_id, child.status, end_time=run.ended_at_ms)
        for trial in child.children:
            self._child(experiment, created.info.run_id, run, trial)

    def _version(self, run: RunLog, run_id: str) -> int:
        from mlflow.exceptions import MlflowException

        found = self.client.search_model_versions(f"name = '{run.project}' and run_id = '{run_id}'")
        if found:
            return int(found[0].version)
        try:
            self.client.create_registered_model(
                run.project, tags={"touchline.project": run.project}, description=_model_note(run)
            )
        except MlflowException as taken:
            if taken.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        outputs = self.client.get_run(run_id).outputs
        model = self.client.get_logged_model(outputs.model_outputs[0].model_id if outputs else "")
        # By its place: a `models:/` source would be looked up in the process-wide MLflow, not in this one.
        made = self.client.create_model_version(
            run.project, model.artifact_location, run_id, model_id=model.model_id, description=run.description
        )
        return int(made.version)


def open_tracking(uri: str, *, artifacts: Path | None = None) -> Tracking:
    """The MLflow at `uri`; nothing is imported or connected until it is used.

    `artifacts` is where files lie when `uri` is a database; a server has its own place.
    """
    return Tracking(uri, artifacts=None if is_server(uri) else artifacts)


def _make_tables(uri: str) -> None:
    """Have MLflow make the tables of a new database."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_experiments(max_results=1)
    client.search_registered_models(max_results=1)


def adopt_artifacts(uri: str, artifacts: Path) -> None:
    """Make the files of an embedded MLflow those of the folder `artifacts`, where its home was moved or copied."""
    if (database := database_file(uri)) is not None:
        adopt_files(database, artifacts)


def experiment_name(project: str) -> str:
    """The MLflow experiment of a project's trainings; each further logged step has an experiment of its own."""
    return f"{project}/training"


def _experiment_note(run: RunLog) -> str:
    return (
        f"{_about(run)}Every run is one training: its candidates are the runs below it, their trials the runs below "
        f"those. The best becomes a version of the model `{run.project}`; aliases and the tag `touchline.stage` tell "
        f"which one is served."
    )


def _model_note(run: RunLog) -> str:
    return (
        f"{_about(run)}Stages are decided in touchline's journal (`touchline models history`); the aliases here mirror "
        f"it: `models:/{run.project}@production` is what is served."
    )


def _about(run: RunLog) -> str:
    return f"{run.about.rstrip('.')}. " if run.about else ""


def is_server(uri: str) -> bool:
    """Whether MLflow answers over HTTP, and so keeps the files itself."""
    return uri.startswith(("http:", "https:"))


def is_passing(failure: BaseException) -> bool:
    """Whether a failure may pass by itself: MLflow away, its database locked."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    if isinstance(failure, MlflowException):
        return failure.error_code in _PASSING or "database is locked" in str(failure)
    return isinstance(failure, OperationalError | ConnectionError | TimeoutError)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of libraries below MLflow, which nobody here can act on."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_line(failure: BaseException) -> str:
    return (str(failure).strip().splitlines() or [type(failure).__name__])[0][:200]


def mlflow_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as the text MLflow keeps."""
    return {name: str(value) for name, value in values.items()}
