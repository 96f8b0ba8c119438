"""`rehearse`: every policy in a process of its own; finished steps are kept, and the same call goes on after a kill."""

from __future__ import annotations

import fcntl
import gc
import json
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from touchline.automation.runs.steps import ingest_all
from touchline.errors import RehearsalRefused
from touchline.project import load_project
from touchline.registry import code_hash
from touchline.rehearsal.examples_in_time import require_open_examples
from touchline.rehearsal.policies import Policy, find_policies, searched_every
from touchline.rehearsal.policy_run import PolicyRun
from touchline.rehearsal.scores import PolicyScores, score_run
from touchline.rehearsal.scratch_home import last_finished_step
from touchline.rehearsal.shared_trainings import SharedTrainings
from touchline.rehearsal.stepped_run import Steps
from touchline.rehearsal.train_ahead import TrainingRun, first_scheduled
from touchline.training.estimators.cores import usable_cores

if TYPE_CHECKING:
    from touchline.ingest import Snapshot
    from touchline.project import LoadedProject

Result = tuple[list[dict[str, Any]], PolicyScores]
_LEAST_STEPS = 4
_THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_POOLS_OF_MEMORY = "MALLOC_ARENA_MAX"  # of glibc; nothing elsewhere
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsal of a project: its folder, its steps, the policies, and the folder of its scratch homes.

    `search_every` stands for the declared `Tune.every`.
    """

    project_folder: Path
    project: str
    steps: Steps
    policies: tuple[str, ...]
    folder: Path
    code_hash: str
    search_every: str | None = None

    def policy_folder(self, name: str) -> Path:
        return self.folder / name

    @property
    def trainings(self) -> SharedTrainings:
        """The trainings that its policies share; a rehearsal of other policies at the same time has its own."""
        return SharedTrainings(self.folder / f"trainings-{sha256(' '.join(self.policies).encode()).hexdigest()[:8]}")


def prepare(
    loaded: LoadedProject,
    snapshots: Mapping[str, Snapshot],
    steps: Steps,
    names: Sequence[str],
    *,
    root: Path,
    search_every: str | None = None,
) -> Rehearsal:
    """The rehearsal of these snapshots below a folder; the same project code, version of touchline,
    data and steps have the same place.

    Raises `RehearsalRefused` for an unknown policy, for too short a time, for examples without a time, and where none
    of them is open in that time.
    """
    if not any(source.event_time for source in loaded.project.task.examples.sources):
        named = " and ".join(repr(source.name) for source in loaded.project.task.examples.sources)
        reason = f"the examples come from {named}, which declares no event_time, and a rehearsal goes through time"
        raise RehearsalRefused(loaded.name, reason)
    if steps.last <= steps.first:
        raise RehearsalRefused(
            loaded.name, f"--to {steps.last:%Y-%m-%d} is not after --from {steps.first:%Y-%m-%d}; exchange them"
        )
    policies = find_policies(names, searched_every(loaded.project, search_every))
    if len(steps) < _LEAST_STEPS:
        raise RehearsalRefused(
            loaded.name, f"from {steps.first:%Y-%m-%d} to {steps.last:%Y-%m-%d} are {len(steps)} steps; give at least 4"
        )
    require_open_examples(loaded, snapshots, steps)
    parts = [
        loaded.code_hash,
        version("touchline"),
        repr(steps),
        search_every or "",
        *(f"{name} {one.hash}" for name, one in sorted(snapshots.items())),
    ]
    folder = root / sha256("\n".join(parts).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for name, snapshot in snapshots.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            fresh = path.with_suffix(".new")
            snapshot.read().write_parquet(fresh)
            fresh.replace(path)
    played = tuple(policy.name for policy in policies)
    return Rehearsal(loaded.folder, loaded.name, steps, played, folder, loaded.code_hash, search_every)


def rehearse(
    rehearsal: Rehearsal, *, workers: int | None = None, on_progress: Callable[[str], None] = lambda _: None
) -> dict[str, Result]:
    """Play every policy to its end; the lines of its steps and its scores by the policy's name.

    `workers` processes share the work, by default one for each core: where there is more than one, and a policy trains
    on a schedule, the first trains ahead of the policies and the others play one policy each. A policy that fails ends
    the rehearsal with its error; the finished steps of all are kept.
    """
    context = multiprocessing.get_context("spawn")
    workers = min(workers or usable_cores(), len(rehearsal.policies) + 1)
    rehearsal.trainings.begin()
    with (
        environment_of_children(max(1, usable_cores() // workers)),
        ProcessPoolExecutor(workers, context, _end_with_parent, (os.getpid(),)) as pool,
    ):
        ahead = pool.submit(_train_ahead_in_worker, rehearsal) if workers > 1 else None
        waiting = {pool.submit(_play_in_worker, rehearsal, name) for name in _scheduled_first(rehearsal)}
        try:
            _wait(waiting, rehearsal, on_progress)
            rehearsal.trainings.finish()
            if ahead is not None:
                ahead.result()
        except BaseException:
            rehearsal.trainings.finish()
            pool.shutdown(cancel_futures=True, wait=False)
            raise
    rehearsal.trainings.remove()
    results = {name: read_result(rehearsal, name) for name in rehearsal.policies}
    _require_predictions(rehearsal, results)
    return results


def _scheduled_first(rehearsal: Rehearsal) -> list[str]:
    """The policies that train on a schedule before the others: a process trains ahead of them from the start."""
    loaded = load_project(rehearsal.project_folder, base=rehearsal.project_folder.parent)
    policies = find_policies(rehearsal.policies, loaded.project)
    return [one.name for one in sorted(policies, key=lambda one: one.retrain.schedule is None)]


@contextmanager
def environment_of_children(threads: int) -> Iterator[None]:
    """Let the libraries of processes that start in the block use so many threads, and one pool of memory.

    What the caller's environment says stays. Libraries read it when they are loaded. More threads than cores would only
    wait for each other; of several pools each retains what some training has left between what stays.
    """
    variables = {**dict.fromkeys(_THREADS, str(threads)), _POOLS_OF_MEMORY: "1"}
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _require_predictions(rehearsal: Rehearsal, results: Mapping[str, Result]) -> None:
    """Raise `RehearsalRefused`, with the last failure of a training, where no policy has predicted anything."""
    if any(scores.rows.sum() for _, scores in results.values()):
        return
    failures = [line["failure"] for lines, _ in results.values() for line in lines if "failure" in line]
    first, last = (f"{instant:%Y-%m-%d}" for instant in (rehearsal.steps.first, rehearsal.steps.last))
    why = f"the last training failed with: {failures[-1]}" if failures else "no example has its cutoff in that time"
    raise RehearsalRefused(
        rehearsal.project, f"from {first} to {last} no policy predicted an example that has a label by now; {why}"
    )


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent was killed: the next call would find its policy in progress."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="touchline-parent", daemon=True).start()


def _play_in_worker(rehearsal: Rehearsal, name: str) -> None:
    with _frozen_after_first_step() as on_progress:
        play_policy(rehearsal, name, on_progress)


def _train_ahead_in_worker(rehearsal: Rehearsal) -> None:
    with _frozen_after_first_step() as on_progress:
        train_ahead(rehearsal, on_progress)


@contextmanager
def _frozen_after_first_step() -> Iterator[Callable[[str], None]]:
    """A progress callback that leaves out of garbage collection what the first step loads, a twentieth of the time."""
    is_frozen = False

    def freeze(_: str) -> None:
        nonlocal is_frozen
        if not is_frozen:
            gc.collect()
            gc.freeze()
        is_frozen = True

    yield freeze
    gc.unfreeze()  # the next policy of this process loads its own


def _wait(waiting: set[Future[None]], rehearsal: Rehearsal, on_progress: Callable[[str], None]) -> None:
    """Wait for all policies; their checkpoints say how far they are."""
    told: dict[str, int] = {}
    while waiting:
        done, waiting = wait(waiting, timeout=_WATCH_SECONDS, return_when=FIRST_COMPLETED)
        for one in done:
            one.result()
        for name in rehearsal.policies:
            step = last_finished_step(rehearsal.policy_folder(name))
            if step is not None and told.get(name) != step:
                told[name] = step
                instant = rehearsal.steps.at(step)
                on_progress(f"{name}: {instant:%Y-%m-%d} ({step + 1} of {len(rehearsal.steps)})")


def play_policy(rehearsal: Rehearsal, name: str, on_progress: Callable[[str], None] = lambda _: None) -> None:
    """Play one policy in this process, from where it was stopped, and write its scores."""
    folder = rehearsal.policy_folder(name)
    with _held(rehearsal, name):
        if (folder / "scores.npz").exists():
            on_progress(f"{name}: finished before")
            return
        _play_to_the_end(rehearsal, name, on_progress)


@contextmanager
def _held(rehearsal: Rehearsal, name: str) -> Iterator[None]:
    """One process at a time plays a policy."""
    with _locked(rehearsal.policy_folder(name)) as is_first:
        if not is_first:
            reason = f"another process rehearses policy {name!r} at this moment; wait for it, or stop it first"
            raise RehearsalRefused(rehearsal.project, reason)
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether this process alone works in a folder; the system frees the lock of one that was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _play_to_the_end(rehearsal: Rehearsal, name: str, on_progress: Callable[[str], None]) -> None:
    folder = rehearsal.policy_folder(name)
    run = open_run(rehearsal, name)
    try:
        run.play(on_progress)
        _require_same_code(rehearsal)
        on_progress(f"{name}: evaluating its models")
        run.clock.move_to(rehearsal.steps.at(len(rehearsal.steps)))
        ingest_all(run.context())
        score_run(run.context(), run.finished()).write(folder / "scores.new")
        (folder / "scores.new").replace(folder / "scores.npz")
    finally:
        run.close()
    shutil.rmtree(folder / "objects", ignore_errors=True)
    for path in folder.glob("*.db*"):
        path.unlink()


def _require_same_code(rehearsal: Rehearsal) -> None:
    """Raise `RehearsalRefused` where the project's files are no longer those that the rehearsal began with."""
    if code_hash(rehearsal.project_folder) != rehearsal.code_hash:
        raise RehearsalRefused(
            rehearsal.project,
            f"the code in {rehearsal.project_folder} was edited while the rehearsal ran, so that its policies would "
            "not be rehearsed with the same project; start it again for the new code, or take the edit back to go on",
        )


def train_ahead(rehearsal: Rehearsal, on_progress: Callable[[str], None] = lambda _: None) -> None:
    """Train what the policies with a schedule will ask for, until all steps are done or all policies are played."""
    loaded, trainings = _load(rehearsal), rehearsal.trainings
    policy = first_scheduled(find_policies(rehearsal.policies, loaded.project))
    if policy is None:
        return
    histories = _histories(rehearsal, loaded)
    with _locked(trainings.home) as is_first:
        if not is_first:
            return
        run = TrainingRun(loaded, histories, policy, rehearsal.steps, trainings.home, trainings=trainings)
        try:
            run.play(on_progress)
        finally:
            run.close()


def open_run(rehearsal: Rehearsal, name: str) -> PolicyRun:
    """A policy's run, where it was stopped."""
    loaded = _load(rehearsal)
    policy: Policy = find_policies([name], loaded.project)[0]
    folder, trainings = rehearsal.policy_folder(name), rehearsal.trainings
    return PolicyRun(
        loaded, _histories(rehearsal, loaded), policy, rehearsal.steps, folder, work=trainings.work_of_policy
    )


def _load(rehearsal: Rehearsal) -> LoadedProject:
    loaded = load_project(rehearsal.project_folder, base=rehearsal.project_folder.parent)
    _require_same_code(rehearsal)
    return replace(loaded, project=searched_every(loaded.project, rehearsal.search_every))


def _histories(rehearsal: Rehearsal, loaded: LoadedProject) -> dict[str, pl.DataFrame]:
    """All row versions of each source."""
    sources = loaded.project.sources
    return {source.name: pl.read_parquet(rehearsal.folder / f"{source.name}.parquet") for source in sources}


def read_result(rehearsal: Rehearsal, name: str) -> Result:
    """The finished steps and the scores of a policy that has been played to its end."""
    folder = rehearsal.policy_folder(name)
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_bytes().splitlines()]
    return lines, PolicyScores.read(folder / "scores.npz")
