"""Damage every stored file of a home in turn, and print what is served, what `doctor` says and what it repairs.

    python benchmarks/prove_damage.py [--only PATTERN] [--every]

The home lies as a power cut leaves it, with write-ahead logs and a spool, after two promotions, another ingest,
predictions and an outcome. Each file has one byte flipped, is cut to half, or is deleted; equal results are printed
once, with their number (`--every` prints each). Two promises are kept for each, or the program ends with exit code 1:

- a probability that differs is never served with 200 unless `doctor`, `/health` or the status of its features says so;
- `doctor` never says that all is well while a file that something reads is damaged. Damage to a page that the
  write-ahead log has anew is none: every row is read as before.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from httpx import Client

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.damage import damage_file  # the folder above has to be found first
from tests.serving.builders import on_loopback, wait_for
from tests.shop import write_shop
from touchline.automation import ingest_and_settle, promote_version, run_pipeline
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.cli.processes.apps import create_full_app
from touchline.cli.processes.doctor import CheckResult, examine
from touchline.project import advance_clock, load_project
from touchline.registry import Decision
from touchline.settings import Settings

DAMAGES = ("flip", "cut", "delete")
# The kind of each file, and why `doctor` need not mind its damage; None where it must.
KINDS: dict[str, str | None] = {
    r".*\.db-shm": "SQLite makes its index of the write-ahead log again",
    r".*/lock": "a lock file has no content",
    r"mlartifacts/.*": "copies of a run's files for people who look at MLflow; serving and repairs never read them",
    r"objects/.*/raw/.*": "the bytes of an ingest as they came, for people; nothing reads them again",
    r"spool/.*": "rows that the database has already; the copy of a row that was cut off is no row",
    r"mlflow\.db.*": None,
    r"online\.db.*": None,
    r"touchline\.db.*": None,
    r"objects/.*/snapshots/.*": None,
    r"objects/.*/history/.*": None,
    r"objects/.*/training_sets/.*": None,
    r"objects/.*/runs/.*": None,
    r"objects/.*/releases/.*": None,
    r"objects/.*/journal/.*": None,
}
REQUESTS: list[dict[str, Any]] = [*({"customer": f"c{number}"} for number in range(41)), {"example_id": "159-8"}]


@dataclass(frozen=True)
class Response:
    """One response: its status, the bits of its probabilities and the status of its features."""

    status: int
    probabilities: str
    features: str


@dataclass(frozen=True)
class Served:
    """What a fresh server gave; `failure` where it did not start."""

    health: str
    responses: tuple[Response, ...] = ()
    failure: str = ""


class Shop:
    """The shop's home, which is put back as it was before each damage."""

    def __init__(self, place: Path) -> None:
        self.place, self.home, self.pristine = place, place / "home", place / "pristine"
        write_shop(place)

    def open(self) -> OpenedProject:
        home = Home(Settings(home=self.home), self.place)
        return OpenedProject(home, load_project(self.place / "projects" / "shop", base=self.place))

    def live(self) -> None:
        """Two versions in Production in turn, an ingest, predictions and an outcome; the home is copied in use."""
        os.chdir(self.place)  # the sources lie there
        first = self.open()
        run_pipeline(pipeline_context(first), trigger="train", actor="prove")
        first.home.database.close()
        first.stores.online.close()
        file = self.place / "projects" / "shop" / "project.py"
        text = file.read_text().replace(', Gate.improves("log_loss")', "").replace("rolling_mean(10", "rolling_mean(5")
        file.write_text(text)
        opened = self.open()
        context = pipeline_context(opened)
        advance_clock(opened.project, opened.stores.database, to=opened.clock.now() + timedelta(days=2))
        version = run_pipeline(context, trigger="train", actor="prove").version
        promote_version(context, version, Decision("prove", "as the run asks", now=True))
        opened.stores.online.close()  # what comes now stands in its write-ahead log
        advance_clock(opened.project, opened.stores.database, to=opened.clock.now() + timedelta(days=2))
        later = self.open()
        ingest_and_settle(pipeline_context(later), later.project.sources)
        app = create_full_app(opened.home, [opened.loaded.folder], host="127.0.0.1")
        with on_loopback(app) as address, Client(base_url=address, timeout=60) as client:
            for request in REQUESTS:
                assert client.post("/predict", json=request).status_code == 200
            wait_for(lambda: client.get("/health").json()["prediction_log"]["written"] == len(REQUESTS))
            outcome = {"example_id": "159-8", "label": "yes"}
            assert client.post("/outcomes", json=outcome).status_code == 200
            shutil.copytree(self.home, self.pristine)
        for one in (opened, later):
            one.home.database.close()

    def files(self) -> list[Path]:
        return sorted(path.relative_to(self.pristine) for path in self.pristine.rglob("*") if path.is_file())

    def put_back(self) -> None:
        shutil.rmtree(self.home)
        shutil.copytree(self.pristine, self.home)

    def served(self) -> Served:
        home = Home(Settings(home=self.home), self.place)
        try:
            app = create_full_app(home, [self.place / "projects" / "shop"], host="127.0.0.1")
            app.serving.limits = replace(app.serving.limits, lag_seconds=60.0)
            with on_loopback(app) as address, Client(base_url=address, timeout=60) as client:
                responses = tuple(_response(client.post("/predict", json=request)) for request in REQUESTS)
                return Served(client.get("/health").json()["status"], responses)
        except Exception as failure:  # noqa: BLE001  a server that does not start serves nothing
            return Served("unavailable", failure=f"{type(failure).__name__}: {failure}")

    def doctor(self, *, repairs: bool = False) -> list[CheckResult]:
        """What `doctor` finds, ports aside."""
        home = Home(Settings(home=self.home), self.place)
        try:
            found = examine(home, repairs=repairs)
        except Exception as failure:  # noqa: BLE001  it is printed, and breaks the promise
            return [CheckResult("wrong", "RAISED", f"{type(failure).__name__}: {failure}")]
        return [one for one in found if not one.what.startswith("port ") and one.mark != "ok"]

    def rows(self, file: Path) -> list[str] | None:
        """Every row of the database that a file belongs to, as a fresh process reads them; None if it cannot."""
        name = file.name.removesuffix("-wal").removesuffix("-shm")
        with tempfile.TemporaryDirectory() as folder:
            for path in (self.home / file.parent).glob(f"{name}*"):
                shutil.copy(path, folder)
            try:
                with closing(sqlite3.connect(f"{folder}/{name}")) as connection:
                    return list(connection.iterdump())
            except (sqlite3.Error, UnicodeDecodeError):
                return None


def _response(response: Any) -> Response:
    body = response.json()
    probabilities = {name: value.hex() for name, value in body.get("probabilities", {}).items()}
    statuses = {name: view["status"] for name, view in body.get("features", {}).items()}
    return Response(response.status_code, str(probabilities), str(statuses))


def compare(served: Served, pristine: Served) -> tuple[str, int]:
    """What was served in words, and how many probabilities differ without a word in the answer or in `/health`."""
    if served.failure:
        return f"does not start: {short(served.failure, 40)}", 0
    same = refused = told = untold = 0
    for one, sound in zip(served.responses, pristine.responses, strict=True):
        if one.status != 200:
            refused += 1
        elif one.probabilities == sound.probabilities:
            same += 1
        elif one.features != sound.features or served.health in ("degraded", "unavailable"):
            told += 1
        else:
            untold += 1
    statuses = sorted({one.status for one in served.responses if one.status != 200})
    counts = {
        "same": same,
        f"refused {', '.join(map(str, statuses))}": refused,
        "differ and say so": told,
        "DIFFER": untold,
    }
    words = [f"all {name}" if count == len(REQUESTS) else f"{count} {name}" for name, count in counts.items() if count]
    return f"{', '.join(words)} (health {served.health})", untold


def short(text: str, length: int = 64) -> str:
    """The text without what differs from run to run and from file to file."""
    text = re.sub(r"/tmp/\S+/", "", " ".join(text.split()))
    text = re.sub(r"first: .*|\S+ is (missing|…|\S+), .* was built.*", "…", text)
    text = re.sub(r"\b[0-9a-f]{10,}\b|\d+", "…", text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def words_of(found: list[CheckResult]) -> str:
    words = (f"{one.mark} {short(one.what)}: {short(one.actual)}" for one in found)
    return "; ".join(dict.fromkeys(words)) or "ok"


def kind_of(file: Path) -> tuple[str, str | None]:
    """The kind of a file, and why its damage may be ok."""
    for pattern, reason in KINDS.items():
        if re.fullmatch(pattern, file.as_posix()):
            return pattern.replace(".*", "*").replace("\\", ""), reason
    return file.as_posix(), None


def try_one(shop: Shop, file: Path, damage: str, pristine: Served) -> tuple[str, list[str]]:
    """The line of one damage, and the promises that it broke."""
    shop.put_back()
    damage_file(shop.home / file, damage)
    words, untold = compare(shop.served(), pristine)
    shop.put_back()
    kind, reason = kind_of(file)
    before = shop.rows(file) if ".db" in file.suffix else None
    damage_file(shop.home / file, damage)
    is_harmless = before is not None and shop.rows(file) == before
    found = shop.doctor()
    is_wrong = any(one.mark == "wrong" for one in found)
    repaired, left, after, untold_after = [], found, words, untold
    if is_wrong:
        repaired = [one for one in shop.doctor(repairs=True) if "epair" in one.actual]
        left = shop.doctor()
        after, untold_after = compare(shop.served(), pristine)
    broken = []
    if untold and not is_wrong:
        broken.append("a different probability, and nothing says so")
    if untold_after and not any(one.mark == "wrong" for one in left):
        broken.append("a different probability after the repair, and nothing says so")
    if reason is None and not is_wrong and not is_harmless:
        broken.append("doctor says ok")
    if re.search(r"health \d", words + after):  # a problem document
        broken.append("/health failed")
    if any(one.what == "RAISED" for one in [*found, *left]):
        broken.append("doctor raised")
    note = " (every row is read as before)" if is_harmless else ""
    parts = [
        kind,
        f"{damage}{note}",
        f"doctor: {words_of(found)}",
        f"served: {words}",
        f"repair: {words_of(repaired)}",
        f"then doctor: {words_of(left)}",
        f"served: {after}",
    ]
    return " | ".join(parts), broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a pattern in the path of the files to damage")
    parser.add_argument("--every", action="store_true", help="print a line for each file")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("TOUCHLINE_")]:
        del os.environ[name]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    lines: dict[str, list[str]] = defaultdict(list)
    broken: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.live()
        files = [file for file in shop.files() if re.search(options.only, file.as_posix())]
        shop.put_back()
        pristine = shop.served()
        print(f"pristine: {compare(pristine, pristine)[0]}; doctor: {words_of(shop.doctor())}", flush=True)
        for file in files:
            for damage in DAMAGES if (shop.pristine / file).stat().st_size else ("delete",):
                line, faults = try_one(shop, file, damage, pristine)
                lines[line].append(file.as_posix())
                if faults:
                    broken.setdefault(line, faults)
                if options.every:
                    print(f"  {file} {line}", flush=True)
    for line, grouped in lines.items():
        faults = "".join(f" BROKEN: {fault}" for fault in broken.get(line, []))
        print(f"{len(grouped):>3} x {short(Path(grouped[0]).name, 30)}: {line}{faults}")
    count = sum(len(lines[line]) for line in broken)
    print("may be ok:", *(f"{pattern}: {reason}" for pattern, reason in KINDS.items() if reason), sep="\n  ")
    cases = sum(map(len, lines.values()))
    print(f"{len(files)} files, {cases} damages, {count} violations; {time.perf_counter() - began:.0f} s")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
