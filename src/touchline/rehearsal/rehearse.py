"""`rehearse`: every policy in a process of its own; finished steps are kept, and the same call goes on after a kill."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

import polars as pl

from touchline.automation.steps import ingest_all
from touchline.errors import RehearsalRefused
from touchline.project import load_project
from touchline.rehearsal.policies import Policy, find_policies
from touchline.rehearsal.policy_run import PolicyRun, Steps
from touchline.rehearsal.scores import PolicyScores, score_run

if TYPE_CHECKING:
    from touchline.ingest import Snapshot
    from touchline.project import LoadedProject

_LEAST_STEPS = 4


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsal of a project: its folder, its steps, the policies, and the folder of its scratch homes."""

    project_folder: Path
    project: str
    steps: Steps
    policies: tuple[str, ...]
    folder: Path

    def policy_folder(self, name: str) -> Path:
        return self.folder / name


def prepare(
    loaded: LoadedProject, snapshots: Mapping[str, Snapshot], steps: Steps, names: Sequence[str], *, root: Path
) -> Rehearsal:
    """The rehearsal of these snapshots below a folder; the same declaration, data and steps have the same place.

    Raises `RehearsalRefused` for an unknown policy and for too short a time.
    """
    policies = find_policies(names, loaded.project)
    if len(steps) < _LEAST_STEPS:
        raise RehearsalRefused(
            loaded.name, f"from {steps.first:%Y-%m-%d} to {steps.last:%Y-%m-%d} are {len(steps)} steps; give at least 4"
        )
    parts = [loaded.code_hash, repr(steps), *(f"{name} {one.hash}" for name, one in sorted(snapshots.items()))]
    folder = root / sha256("\n".join(parts).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for name, snapshot in snapshots.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            fresh = path.with_suffix(".new")
            snapshot.read().write_parquet(fresh)
            fresh.replace(path)
    return Rehearsal(loaded.folder, loaded.name, steps, tuple(policy.name for policy in policies), folder)


def rehearse(
    rehearsal: Rehearsal, *, workers: int = 2, on_progress: Callable[[str], None] = lambda _: None
) -> dict[str, tuple[list[dict[str, Any]], PolicyScores]]:
    """Play every policy to its end; the lines of its steps and its scores by the policy's name.

    A policy that fails ends the rehearsal with its error; the finished steps of all are kept.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        messages = manager.Queue()
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting = {pool.submit(play_policy, rehearsal, name, messages.put) for name in rehearsal.policies}
            try:
                _wait(waiting, messages, on_progress)
            except BaseException:
                pool.shutdown(cancel_futures=True, wait=False)
                raise
    return {name: read_result(rehearsal, name) for name in rehearsal.policies}


def _wait(waiting: set[Future[None]], messages: Any, on_progress: Callable[[str], None]) -> None:
    while waiting:
        done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
        for one in done:
            one.result()
        try:
            while True:
                on_progress(messages.get_nowait())
        except Empty:
            pass


def play_policy(rehearsal: Rehearsal, name: str, on_progress: Callable[[str], None]) -> None:
    """Play one policy in this process, from where it was stopped, and write its scores."""
    folder = rehearsal.policy_folder(name)
    if (folder / "scores.npz").exists():
        on_progress(f"{name}: finished before")
        return
    run = open_run(rehearsal, name)
    try:
        run.play(on_progress)
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


def open_run(rehearsal: Rehearsal, name: str) -> PolicyRun:
    """A policy's run, where it was stopped."""
    loaded = load_project(rehearsal.project_folder, base=rehearsal.project_folder.parent)
    policy: Policy = find_policies([name], loaded.project)[0]
    histories = {
        source.name: pl.read_parquet(rehearsal.folder / f"{source.name}.parquet") for source in loaded.project.sources
    }
    return PolicyRun(loaded, histories, policy, rehearsal.steps, rehearsal.policy_folder(name))


def read_result(rehearsal: Rehearsal, name: str) -> tuple[list[dict[str, Any]], PolicyScores]:
    """The finished steps and the scores of a policy that has been played to its end."""
    folder = rehearsal.policy_folder(name)
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_bytes().splitlines()]
    return lines, PolicyScores.read(folder / "scores.npz")
