"""Processes, environments and printed lines that the benchmarks beside peers share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PEER = Path(__file__).with_name("feast_peer.py")
FEAST = "feast[duckdb,redis]==0.67.0"


def run_parts(
    about: str | None,
    parts: Mapping[str, Callable[[argparse.Namespace], None]],
    measure: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """The command line of a benchmark: runs the parts it names, or all; as a child of its own, measures one job."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--envs", type=Path, default=Path(".bench"), help="where Feast's own environment lies")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(measure(json.loads(options.job))))
        return
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    options.envs = options.envs.absolute()
    print(machine())
    for part in options.parts or parts:
        parts[part](options)


def run_child(command: Sequence[str]) -> dict[str, Any]:
    """The last line of JSON that a process prints; `error` says why there is none."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def child_lines(command: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The lines of JSON that a process prints, as they come; a last one with `error` where it failed."""
    with tempfile.TemporaryFile("w+") as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True) as child:
            assert child.stdout is not None
            yield from (json.loads(line) for line in child.stdout if line.startswith("{"))
        if child.returncode:
            complaints.seek(0)
            yield {"error": (complaints.read().strip().splitlines() or [f"exit code {child.returncode}"])[-1]}


def run_feast(python: Path | str, job: dict[str, Any]) -> dict[str, Any]:
    """One job of the Feast peer, in a process and a repository of its own."""
    with tempfile.TemporaryDirectory() as repository:
        path = Path(repository) / "job.json"
        path.write_text(json.dumps({**job, "folder": repository}))
        return run_child([str(python), "-W", "ignore", str(PEER), str(path)])


def feast_python(envs: Path) -> Path:
    """The Python of Feast's own environment, made when it is not there."""
    return peer_python(envs, "feast", [FEAST])


def peer_python(envs: Path, name: str, packages: Sequence[str]) -> Path:
    """The Python of a peer's own environment, made when it is not there."""
    python = envs / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", envs / name], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def peak_gb() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def machine() -> str:
    """Versions, cores and load, for the first line of a report."""
    packages = " ".join(
        f"{name} {version(name)}" for name in ("feast", "polars", "duckdb", "numpy", "pyarrow", "redis")
    )
    return f"Python {platform.python_version()}, {packages}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def say_target(what: str, value: float, limit: float, unit: str, *, at_least: bool = False) -> None:
    """One line: the number, the number asked for, and whether it is kept."""
    kept = value >= limit if at_least else value <= limit
    bound = "at least" if at_least else "at most"
    print(f"    target: {what} {value:.3g}{unit}, {bound} {limit:g}{unit}: {'kept' if kept else 'MISSED'}", flush=True)


def median(seconds: Sequence[float]) -> float:
    """The middle of several runs."""
    return statistics.median(seconds)
