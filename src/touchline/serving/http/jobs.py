"""Large batches over HTTP: sent once, worked off behind the requests, fetched when done.

A job is a folder: the request (a row a line), a result that grows, a status. Any worker can take a job or tell of it;
a lock says who has it. A job whose worker died is taken up again where its result ends. Rows are never held all at
once, and a chunk is followed by as long a rest while requests are being answered.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Literal

import orjson

from touchline.errors import DiskFull
from touchline.http.problems import (
    FeaturesStale,
    FieldProblem,
    InternalError,
    InvalidRequest,
    JobTooLarge,
    JobUnfinished,
    MalformedBody,
    NotFound,
    Overloaded,
    Problem,
    Unavailable,
)
from touchline.http.statuses import problem_of
from touchline.predictions.spool import lock_folder, release_folder
from touchline.serving.http.respond import answer
from touchline.storage.disk_failures import is_disk_full
from touchline.storage.ulids import Ulids, ulid_instant

if TYPE_CHECKING:
    from touchline.serving.http.state import Serving

_log = logging.getLogger("touchline.serving.http.jobs")
_CHUNK = 100
_LOOK_SECONDS = 2.0  # for jobs of other workers; those of this process wake the thread
_RETENTION = timedelta(days=7)
_ID_LENGTH = 26  # of a ULID
_REQUEST = "request.jsonl"
_SPACE: Any = re.compile(r"[ \t\r\n]*")
_MOST_WAITING = 100

State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class Job:
    """The progress of a job."""

    id: str
    project: str
    state: State
    rows: int
    done: int
    refused: int
    message: str = ""


class Jobs:
    """The jobs in a folder, and the thread that works them off."""

    def __init__(self, folder: Path, serving: Serving) -> None:
        self._folder, self._serving = folder, serving
        self._ending, self._wake = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._ids = Ulids()  # of the thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work_until_end, name="touchline-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the chunk under way; the job goes on after the next start."""
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(10)

    def submit(self, project: str, rows: Iterable[bytes]) -> Job:
        """Take a job, given as a JSON document a row; it is on disk before this returns."""
        if sum(1 for job in self.jobs() if job.state in ("waiting", "running")) >= _MOST_WAITING:
            raise Overloaded(f"{_MOST_WAITING} jobs wait already.", retry_after_seconds=30)
        job_id = Ulids().next()
        folder = self._folder / job_id
        try:
            folder.mkdir(parents=True)
            job = Job(job_id, project, "waiting", _write_rows(folder / _REQUEST, rows), 0, 0)
            _write_status(folder, job)  # last: a folder without a status is no job yet
        except BaseException as failure:
            rmtree(folder, ignore_errors=True)
            if isinstance(failure, OSError):
                raise _not_stored(failure, self._folder) from failure
            raise
        self._wake.set()
        return job

    def find(self, project: str, job_id: str) -> Job:
        """The job of that id, or `NotFound`."""
        job = _read_status(self._folder / job_id) if _is_id(job_id) else None
        if job is None or job.project not in (project, ""):
            raise NotFound(f"{project} has no job {job_id}.")
        return job

    def result(self, project: str, job_id: str) -> Path:
        """The answers of a finished job, one JSON document a line, in the order of the rows."""
        job = self.find(project, job_id)
        if job.state != "done":
            raise JobUnfinished(job_id, job.state, job.done, job.rows)
        return self._folder / job_id / "result.jsonl"

    def jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return [job for folder in folders if _is_id(folder.name) and (job := _read_status(folder)) is not None]

    def _work_until_end(self) -> None:
        while not self._ending.is_set():
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            with suppress(OSError):
                for job in self.jobs():
                    if job.state in ("waiting", "running"):
                        # Another server on this home may serve the project, or this one after its next start.
                        if job.project in self._serving.slots:
                            self._take(job)
                    elif self._serving.slots[self._serving.default].wall() - ulid_instant(job.id) > _RETENTION:
                        rmtree(self._folder / job.id, ignore_errors=True)

    def _take(self, job: Job) -> None:
        folder = self._folder / job.id
        with _held(folder) as is_mine:
            if not is_mine:
                return
            try:
                self._work(folder, job)
            except Exception as wrong:  # noqa: BLE001  one job's fault must not end the thread that works off the others
                if isinstance(wrong, OSError) and is_disk_full(wrong):
                    _log.error("job %s waits: %s", job.id, _not_stored(wrong, self._folder).detail)
                    return  # it goes on where its result ends
                _log.exception("job %s failed", job.id)
                _write_status(folder, replace(job, state="failed", message=f"{type(wrong).__name__}: {wrong}"[:500]))

    def _work(self, folder: Path, job: Job) -> None:
        result = folder / "result.jsonl"
        done, refused = _resume(result)
        with result.open("ab") as out, (folder / _REQUEST).open("rb") as request:
            rows = islice(request, done, None)
            while chunk := list(islice(rows, _CHUNK)):
                started = time.perf_counter()
                lines = self._answer_in_time(job.project, chunk)
                if lines is None:
                    return
                out.write(b"".join(line + b"\n" for line, _ in lines))
                out.flush()
                done += len(lines)
                refused += sum(is_refused for _, is_refused in lines)
                _write_status(folder, replace(job, state="running", done=done, refused=refused))
                if self._serving.in_flight:
                    time.sleep(time.perf_counter() - started)
        _write_status(folder, replace(job, state="done", done=done, refused=refused))

    def _answer_in_time(self, project: str, rows: Sequence[bytes]) -> list[tuple[bytes, bool]] | None:
        """The answers to a chunk, however long a store or a release is away; None when this process ends."""
        while not self._ending.is_set():
            try:
                return self._answer(project, rows)
            except Problem as passing:
                _log.warning("a job of %s waits: %s", project, passing)
                self._ending.wait(1.0)
        return None

    def _answer(self, project: str, rows: Sequence[bytes]) -> list[tuple[bytes, bool]]:
        """The answers to a chunk; if one row does not fit, each is asked by itself. Raises what will pass (503)."""
        serving, slot = self._serving, self._serving.slots[project]
        body = rows[0] if len(rows) == 1 else b"[" + b",".join(rows) + b"]"
        problem: Problem
        try:
            return [(one.json, False) for one in answer(serving, slot, body, self._ids.next, most_rows=len(rows))]
        except Problem as refused:
            if refused.status == Unavailable.status and not isinstance(refused, FeaturesStale):
                raise
            problem = refused
        except Exception as error:  # noqa: BLE001  an unforeseen error of one row must not end the job
            if len(rows) == 1:
                _log.error("a row of a job of %s failed: %r", project, error)
            problem = InternalError()
        if len(rows) == 1:
            return [(orjson.dumps({"problem": problem.document()}, default=str), True)]
        return [found for row in rows for found in self._answer(project, [row])]


def rows_of(body: bytes, most: int, *, is_list: bool = True) -> Iterator[bytes]:
    """The rows of a JSON list, or else of one document after another, each as one line of JSON.

    Read one by one, so that the interpreter is free for requests in between. Raises `MalformedBody`, `InvalidRequest`
    or `JobTooLarge`.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as wrong:
        raise MalformedBody(f"{wrong}. Send UTF-8.") from wrong
    count = 0
    for count, row in enumerate(_documents(text, is_list=is_list), 1):
        if count > most:
            raise JobTooLarge(most)
        yield row.replace("\n", " ").replace("\r", " ").encode()
    if not count:
        raise InvalidRequest([FieldProblem("", "the list is empty", None, f"1 to {most} rows")])


def _no_list(text: str) -> Problem:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as wrong:
        return MalformedBody(f"{wrong}. Send a list of rows.")
    return InvalidRequest([FieldProblem("", "not a list", None, "a list of rows, or NDJSON")])


def _documents(text: str, *, is_list: bool) -> Iterator[str]:
    decode, skip = json.JSONDecoder().raw_decode, _SPACE.match
    at = skip(text, 0).end()
    if is_list:
        if text[at : at + 1] != "[":
            raise _no_list(text)
        at = skip(text, at + 1).end()
    while at < len(text) and not (is_list and text[at] == "]"):
        try:
            row, end = decode(text, at)
        except (ValueError, RecursionError) as wrong:
            raise MalformedBody(f"{wrong}. Send a list of rows, or a row a line.") from wrong
        if not isinstance(row, dict):
            raise InvalidRequest([FieldProblem("", "a row is not an object", None, "a list of objects")])
        yield text[at:end]
        at = skip(text, end).end()
        if is_list and text[at : at + 1] == ",":
            at = skip(text, at + 1).end()
            if text[at : at + 1] == "]":
                raise MalformedBody(f"character {at}: a comma before the end of the list. Send a list of rows.")
        elif is_list and text[at : at + 1] != "]":
            raise MalformedBody(f"character {at}: expected , or ]. Send a list of rows, or a row a line.")
    if is_list and (at >= len(text) or text[at + 1 :].strip()):
        raise MalformedBody("The list has no end. Send a list of rows, or a row a line.")


def _resume(result: Path) -> tuple[int, int]:
    """The numbers of complete lines and of refused rows in a result; an incomplete last line is cut off."""
    if not result.exists():
        return 0, 0
    data = result.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(result, len(whole))  # a new file would need room on a disk that is perhaps full
    return whole.count(b"\n"), sum(line.startswith(b'{"problem"') for line in whole.splitlines())


def _is_id(text: str) -> bool:
    return text.isascii() and text.isalnum() and len(text) == _ID_LENGTH


def _write_rows(path: Path, rows: Iterable[bytes]) -> int:
    """Write a row a line, and have them on disk; their number."""
    count = 0
    with path.open("wb") as out:
        for row in rows:
            out.write(row + b"\n")
            count += 1
        out.flush()
        os.fsync(out.fileno())
    return count


def _not_stored(failure: OSError, folder: Path) -> Problem:
    """The problem of a disk that takes no job; the next attempt may succeed."""
    if is_disk_full(failure):
        return problem_of(DiskFull("the job", str(folder)))
    return Unavailable(f"The job cannot be stored in {folder}: {os.strerror(failure.errno or errno.EIO)}.")


def _write_status(folder: Path, job: Job) -> None:
    partial = folder / "status.partial"
    partial.write_bytes(orjson.dumps(asdict(job)))
    partial.replace(folder / "status.json")


def _read_status(folder: Path) -> Job | None:
    """The job of a folder; None where there is none. A damaged status is a failed job."""
    try:
        return Job(**orjson.loads((folder / "status.json").read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (orjson.JSONDecodeError, TypeError, OSError) as damaged:
        message = f"its status file is damaged ({type(damaged).__name__}); send the rows again"
        return Job(folder.name, "", "failed", 0, 0, 0, message)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    handle = lock_folder(folder)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            release_folder(handle)
