"""Results of a long benchmark in a file, so that a run that was ended goes on where it stopped."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any


class StoredResults:
    """Results by key, one JSON line each; without a path they live as long as the process.

    A line is written as soon as its result is there. A last line that a kill cut off is left out. The file belongs to
    one state of the code: delete it after a change of what is measured.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._values: dict[str, Any] = dict(_lines(path)) if path is not None and path.exists() else {}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def store(self, key: str, value: Any) -> None:
        """Add a result; `value` is what `json` writes."""
        self._values[key] = value
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps({"key": key, "value": value}) + "\n")

    def of(self, key: str, compute: Callable[[], Any]) -> Any:
        """The stored result of a key, computed and stored where there is none."""
        if key not in self._values:
            self.store(key, compute())
        return self._values[key]

    def over_seeds(self, key: str, one: Callable[[int], Any], runs: int, *, at_once: int = 20) -> list[Any]:
        """`one(seed)` for the seeds 0 to `runs` - 1, stored in parts of `at_once` seeds."""
        found: list[Any] = []
        for first in range(0, runs, at_once):
            seeds = range(first, min(first + at_once, runs))
            found += self.of(f"{key} {seeds.start}-{seeds.stop}", partial(_each, one, seeds))
        return found


def add_results_options(parser: argparse.ArgumentParser, parts: Sequence[str]) -> None:
    """The options `--results FILE`, with which a run goes on, and `--only PART …`."""
    parser.add_argument("--results", type=Path, help="a file of results: what it has is not computed again")
    parser.add_argument("--only", nargs="*", choices=parts, default=list(parts), metavar="PART", help=", ".join(parts))


def _each(one: Callable[[int], Any], seeds: range) -> list[Any]:
    return [one(seed) for seed in seeds]


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            stored = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield stored["key"], stored["value"]
