"""What the dashboard waits for: every API call of its pages, and its first view in a real browser.

    python benchmarks/dashboard.py [--predictions 1000000] [--versions 200] [--calls 40] [--home FOLDER]

A small shop is trained, then its log and its versions are multiplied. Each call of a page is made so many times, one
after the other; p50, p95 and the processor time of server and client together are printed. With Chromium: seconds until
the verdict of a page is on the screen, a scroll through all versions, and the time from a key or a click to the next
paint at a fourth of the speed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page

from tests.api.builders import a_home
from tests.dashboard.browser import running_browser
from tests.dashboard.builders import a_dashboard, build_shop, predict
from touchline.storage.ulids import ulid_at

_BLOCK = 10_000
_CALLS = (
    *("session", "projects", "overview", "system/health"),
    *("shop/pages", "shop/models?limit=200", "shop/models/2", "shop/stages/history"),
    *("shop/trainings", "shop/trainings/comparison?version=1&version=2"),
    *("shop/model/performance", "shop/model/drift", "shop/model/distributions"),
    *("shop/alerts?only_open=true", "shop/alerts?only_open=false"),
    *("shop/predictions", "shop/predictions/ID", "shop/predictions/ID/contributions"),
    *("shop/data/freshness", "shop/data/ingests", "shop/data/sources/visits", "shop/data/sources/visits/quarantine"),
    *("shop/model/skew", "shop/system/requests", "keys", "shop/predictions?version=1&since=2020-01-01"),
    *("shop/feature-store/stats", "shop/feature-store/customers?limit=500", "shop/feature-store/customers/c/1"),
    *("shop/rollout", "shop/training/automated/status", "shop/rehearsals"),
)


def multiply_predictions(place: Path, count: int) -> None:
    """Copies of a logged prediction over one year, each about an example of its own; every second has an outcome."""
    home, start = a_home(place), datetime.now(UTC) - timedelta(days=365)
    with home.database.begin() as connection:
        columns = [column["name"] for column in sa.inspect(connection).get_columns("predictions")]
        changed = {
            "prediction_id": ":letters || printf('%016d', n.value)",
            "example_id": "'copy-' || :block || '-' || n.value",
            "answered_at": "strftime('%Y-%m-%d %H:%M:%f000', :at)",
        }
        values = ", ".join(changed.get(name, f't."{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        connection.execute(sa.text("CREATE TEMP TABLE numbers (value INTEGER)"))
        connection.execute(sa.text("INSERT INTO numbers VALUES (:value)"), [{"value": n} for n in range(_BLOCK)])
        connection.execute(sa.text("CREATE TEMP TABLE template AS SELECT * FROM predictions LIMIT 1"))
        for block in range(count // _BLOCK):
            at = start + timedelta(days=364) * block * _BLOCK / count
            given = {"letters": ulid_at(at)[:10], "block": block, "at": at.strftime("%Y-%m-%d %H:%M:%S")}
            fill = f"INSERT INTO predictions ({names}) SELECT {values} FROM template t, numbers n"
            connection.execute(sa.text(fill), given)
            outcome = (
                "INSERT INTO outcomes (project, example_id, revision, label, label_timestamp, received_at, source) "
                "SELECT 'shop', 'copy-' || :block || '-' || value, 1, '\"yes\"', :at, :at, 'copy' "
                "FROM numbers WHERE value % 2"
            )
            connection.execute(sa.text(outcome), given)
    home.database.close()


def multiply_versions(place: Path, count: int) -> None:
    """Copies of version 2 with its metrics and files."""
    home = a_home(place)
    with home.database.begin() as connection:
        for table in ("model_versions", "version_metrics"):
            names = [column["name"] for column in sa.inspect(connection).get_columns(table)]
            for version in range(3, count + 1):
                changed = {"version": str(version), "run_id": f"run_id || '-{version}'"}
                changed["semantic_version"] = f"'1.{version}.0'"
                values = ", ".join(changed.get(name, f'"{name}"') for name in names)
                quoted = ", ".join(f'"{name}"' for name in names)
                connection.execute(
                    sa.text(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} WHERE version = 2")
                )
    home.database.close()


def time_calls(address: str, prediction: str, calls: int) -> None:
    with httpx.Client(base_url=address, timeout=120) as client:
        for call in _CALLS:
            path = "/api/" + call.replace("shop/", "projects/shop/").replace("ID", prediction)
            seconds, processor = [], []
            for _ in range(calls):
                began, used = time.perf_counter(), time.process_time()
                client.get(path).raise_for_status()
                seconds.append(time.perf_counter() - began)
                processor.append(time.process_time() - used)
            ordinary, slow = 1000 * np.quantile(seconds, [0.5, 0.95])
            note = "" if slow < 150 else "   above 150 ms"
            used = 1000 * float(np.median(processor))
            print(f"{call:<50} p50 {ordinary:7.1f}  p95 {slow:7.1f}  processor {used:6.1f} ms{note}")


def time_views(address: str) -> None:
    with running_browser() as browser:
        for path in ("/", "/ui/shop/models", "/ui/shop/runs", "/ui/shop/explain", "/ui/shop/health"):
            seconds = []
            for _ in range(5):
                with browser.new_context(base_url=address) as context:
                    page = context.new_page()
                    began = time.perf_counter()
                    page.goto(path, wait_until="commit")
                    page.get_by_test_id("verdict").wait_for()
                    seconds.append(time.perf_counter() - began)
            print(f"verdict on the screen {path:<20} median {np.median(seconds):.2f} s, worst {max(seconds):.2f} s")
        with browser.new_context(base_url=address) as context:
            time_interactions(context.new_page())


def time_interactions(page: Page) -> None:
    """The time from an event to the next paint, as the browser's own event timing has it, at a fourth of the speed."""
    page.goto("/ui/shop/models")
    page.get_by_test_id("verdict").wait_for()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.evaluate(
        "() => { window.longest = 0; new PerformanceObserver(list => list.getEntries().forEach(one => "
        "window.longest = Math.max(window.longest, one.duration))).observe({type: 'event', durationThreshold: 16}); }"
    )
    table = page.get_by_role("region", name="Versions, newest first")
    drawn = []
    for step in range(20):
        table.evaluate("(place, share) => { place.scrollTop = share * place.scrollHeight; }", step / 19)
        page.wait_for_timeout(50)
        drawn.append(table.get_by_role("row").count())
    print(f"rows drawn while scrolling through all versions: at most {max(drawn)}")
    page.keyboard.press("Control+k")
    page.keyboard.type("version 20", delay=120)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Health", exact=True).click()
    page.wait_for_timeout(1500)
    longest: Any = page.evaluate("() => window.longest")
    print(f"interaction to next paint, processor at a fourth: longest {longest:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=200)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--home", type=Path, help="a folder to make, or one that an earlier run has made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = options.home or Path(name) / "shop"
        if not place.exists():
            place.mkdir(parents=True)
            build_shop(place)
            with a_dashboard(place) as address:
                predict(address)
            multiply_predictions(place, options.predictions)
            multiply_versions(place, options.versions)
        with a_dashboard(place) as address:
            newest = httpx.get(f"{address}/api/predictions", timeout=120).json()
            print(newest["sentence"], flush=True)
            time_calls(address, newest["items"][0]["prediction_id"], options.calls)
            time_views(address)


if __name__ == "__main__":
    main()
