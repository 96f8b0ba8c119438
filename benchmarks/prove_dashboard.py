"""The first look after `make start`: the samples are started, and each page is read beside the API.

    python benchmarks/prove_dashboard.py [PROJECT …] [--address http://localhost:8000]

`touchline up football leads` is run as `make start` does, on spare ports, in a new home. Then a browser opens the
overview and every page of every project. The verdict on the screen has to be the sentence that the API gives, the
numbers those of the API; the console has to be free of errors, and axe has to find no serious fault. By keyboard
alone the way leads from the overview to the version in Production. A difference ends the program with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, expect

from tests.dashboard.browser import running_browser, serious_faults, tab_until, wait_until_loaded
from tests.servers import spare_port

ROOT = Path(__file__).parents[1]
TOUCHLINE = [sys.executable, "-m", "touchline.cli.main"]
# The route that gives the verdict of a page.
VERDICTS = {
    "models": "stages",
    "runs": "trainings",
    "health": "model/performance",
    "explain": "predictions",
    "data": "data/freshness",
    "features": "feature-store/stats",
    "rollout": "rollout",
    "alerts": "alerts",
    "automation": "training/automated/status",
    "rehearsal": "rehearsals",
    "system": "system/health",
}


@dataclass
class Findings:
    """What was compared, and what differs."""

    compared: int = 0
    differences: list[str] = field(default_factory=list)

    def compare(self, what: str, on_screen: str, expected: object) -> None:
        self.compared += 1
        if on_screen.strip() != str(expected).strip():
            self.differences.append(f"{what}: the screen has {on_screen!r}, the API {expected!r}")

    def require(self, what: str, faults: list[Any]) -> None:
        self.compared += 1
        self.differences += [f"{what}: {fault}" for fault in faults]


@contextmanager
def a_start(projects: list[str]) -> Iterator[str]:
    """The address of the samples, started in a home of their own and stopped at the end."""
    with tempfile.TemporaryDirectory() as name:
        port = spare_port()
        own = {
            "TOUCHLINE_HOME": f"{name}/home",
            "TOUCHLINE_PORT": str(port),
            "TOUCHLINE_MLFLOW_PORT": str(spare_port()),
        }
        environment = os.environ | own
        began = time.monotonic()
        try:
            subprocess.run([*TOUCHLINE, "up", *projects], cwd=ROOT, env=environment, check=True)
            print(f"started in {time.monotonic() - began:.0f} s", flush=True)
            yield f"http://127.0.0.1:{port}"
        finally:
            subprocess.run([*TOUCHLINE, "stop"], cwd=ROOT, env=environment, check=False)


def read(address: str, path: str) -> Any:
    return httpx.get(f"{address}/api/{path}", timeout=60).raise_for_status().json()


def look_at_overview(page: Page, address: str, findings: Findings) -> None:
    page.goto("/")
    wait_until_loaded(page)
    overview = read(address, "overview")
    findings.compare("overview", page.get_by_test_id("verdict").inner_text(), overview["sentence"])
    for project in overview["projects"]:
        name = project["project"]
        card = page.get_by_role("article").filter(has=page.get_by_role("link", name=name, exact=True))
        findings.compare(f"{name}, sentence", page.get_by_test_id(f"sentence-{name}").inner_text(), project["sentence"])
        logged = page.get_by_test_id(f"predictions-{name}").inner_text()
        findings.compare(f"{name}, predictions", logged, f"{project['log']['predictions']:,}")
        live = card.get_by_role("link", name=f"version {project['production']}").count()
        findings.compare(f"{name}, version in Production", str(live > 0), True)
    findings.require("overview", serious_faults(page, {}))


def look_at_pages(page: Page, address: str, project: str, findings: Findings) -> None:
    own = [one["path"] for one in read(address, f"projects/{project}/pages")]
    for name in [*VERDICTS, *own]:
        page.goto(f"/ui/{project}/{name}")
        wait_until_loaded(page)
        document = read(address, f"projects/{project}/{VERDICTS.get(name, f'pages/{name}')}")
        sentence = document["sentence"] if name in VERDICTS else document["content"]["sentence"]
        findings.compare(f"{project}, {name}", page.get_by_test_id("verdict").inner_text(), sentence)
        findings.require(f"{project}, {name}", serious_faults(page, {}))
    check_numbers(page, address, project, findings)


def check_numbers(page: Page, address: str, project: str, findings: Findings) -> None:
    """The numbers of the version in Production, its sources and its requests."""
    (version, *_) = read(address, f"projects/{project}/models")["items"]
    page.goto(f"/ui/{project}/models?version={version['version']}")
    wait_until_loaded(page)
    metric = version["metrics"][0]
    number = f"{metric['value']:.4f}".rstrip("0")  # as the page writes it
    shown = page.get_by_role("region", name=f"Version {version['version']}").get_by_text(number)
    findings.compare(f"{project}, {metric['name']}", str(shown.count() > 0), True)
    page.goto(f"/ui/{project}/data")
    wait_until_loaded(page)
    for source in read(address, f"projects/{project}/data/freshness")["sources"]:
        row = page.get_by_role("table", name="Sources").get_by_role("row").filter(has_text=source["source"])
        cell = row.get_by_role("cell", name=f"{source['rows']:,}", exact=True)
        findings.compare(f"{project}, rows of {source['source']}", str(cell.count()), 1)


def walk_by_keyboard(page: Page, address: str, project: str, findings: Findings) -> None:
    page.goto("/")
    wait_until_loaded(page)
    production = read(address, f"projects/{project}/stages")["production"]
    tab_until(page, f"version {production}")
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name=f"Version {production} (")
    expect(heading).to_be_visible()
    findings.compare("by keyboard", str("Production" in heading.inner_text()), True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", default=["football", "leads"])
    parser.add_argument("--address", help="read a server that runs already")
    options = parser.parse_args()
    projects, findings = options.projects, Findings()
    server = nullcontext(options.address) if options.address else a_start(projects)
    with server as address, running_browser() as browser, browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.on("console", lambda one: findings.require("console", [one.text] if one.type == "error" else []))
        page.on("pageerror", lambda error: findings.require("console", [str(error)]))
        look_at_overview(page, address, findings)
        for project in projects:
            look_at_pages(page, address, project, findings)
        walk_by_keyboard(page, address, projects[0], findings)
    print(f"{findings.compared} compared, {len(findings.differences)} differences")
    for difference in findings.differences:
        print(f"  {difference}")
    sys.exit(1 if findings.differences else 0)


if __name__ == "__main__":
    main()
