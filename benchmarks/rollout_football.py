"""A rollout of a football model in shadow over past Bundesliga seasons, by the project's own clock.

    python benchmarks/rollout_football.py [--start 2006-08-01] [--end 2008-06-01] [--out rollout.html]

Version 1, in Production, does not know the strength of the teams; version 2 does. Each round is predicted through the
server's HTTP routes before it is played; then the clock moves on, the results are ingested, and the rollout is checked
as by every ingest. Printed are the verdict at each month's end and the decision with its date; the report is a page.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.serving.builders import on_loopback
from touchline.automation import ingest_and_settle, run_pipeline
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.cli.processes.apps import create_full_app
from touchline.predictions import OpenExampleRecords
from touchline.project import load_project
from touchline.rollout import RolloutRecords, report_on, report_page
from touchline.settings import Settings

CHECKOUT = Path(__file__).parents[1]
AHEAD = timedelta(days=4)
WITHOUT_STRENGTH = """    features=[
        team_form.on("home_team", prefix="home"),
        team_form.on("away_team", prefix="away"),
    ],
)
"""


class Season:
    """A checkout with the football project alone, whose clock this program moves."""

    def __init__(self, place: Path, start: datetime) -> None:
        self.place = place
        self.folder = place / "projects" / "football"
        shutil.copytree(CHECKOUT / "projects" / "football", self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.edit(r'SampleClock\(at="[^"]+"\)', f'SampleClock(at="{start:%Y-%m-%dT%H:%M:%SZ}")')
        self.edit(r"gates=\[[^\n]*\],", "gates=[],")  # what a gate would say of the change is not the question here
        self.edit(r'candidates=\["logistic", "lightgbm"\]', 'candidates=["logistic"]')
        self.edit(r"rollout=Rollout\([^)]*\)", "rollout=Rollout(cluster=True, min_days=7, longest_days=700)")
        self.whole = (self.folder / "project.py").read_text()

    def edit(self, pattern: str, replacement: str) -> None:
        path = self.folder / "project.py"
        text, count = re.subn(pattern, lambda _: replacement, path.read_text(), flags=re.DOTALL)
        assert count == 1, f"{pattern} found {count} times"
        path.write_text(text)

    def opened(self) -> OpenedProject:
        home = Home(Settings(home=self.place / "home"), self.place)
        return OpenedProject(home, load_project(self.folder, base=self.place))

    def train(self) -> int:
        return run_pipeline(pipeline_context(self.opened()), trigger="train", actor="season").version.version

    def two_versions(self) -> None:
        """Version 1 without the teams' strength in Production, version 2 with it in its rollout."""
        self.edit(r"    features=\[\n        team_strength.*?    on_demand=\[gaps\],\n\)\n", WITHOUT_STRENGTH)
        self.train()
        (self.folder / "project.py").write_text(self.whole)
        self.train()


def play(season: Season, client: httpx.Client, end: datetime) -> None:
    """Round after round: predict what comes next, move the clock past it, ingest the results."""
    opened = season.opened()
    context, database = pipeline_context(opened), opened.stores.database
    records, month = RolloutRecords(database, "football"), 0
    while context.clock.now() < end:
        coming = OpenExampleRecords(database, "football").read(after=context.clock.now(), limit=60)
        rows = [one for one in coming if one.cutoff < coming[0].cutoff + AHEAD]
        if not rows:
            break
        for example in rows:
            client.post("/predict", json={"example_id": example.example_id}).raise_for_status()
        wait_until_logged(season, len(rows))
        context.clock.move_to(rows[-1].cutoff + timedelta(hours=4))
        ingest_and_settle(context, opened.project.sources)
        state, now = records.newest(), context.clock.now()
        assert state is not None
        if state.end is not None or now.month != month:
            month = now.month
            report = report_on(database, "football", state, now)
            print(f"  {now:%Y-%m-%d}  {report.sentence}  {report.next_step}", flush=True)
        if state.end is not None:
            return


def wait_until_logged(season: Season, rows: int) -> None:
    """Both versions' predictions of a round are in the database before the clock moves on."""
    query = sa.text("SELECT count(*) FROM predictions WHERE role = 'shadow'")
    season.shadows = getattr(season, "shadows", 0) + rows
    for _ in range(400):
        with season.opened().stores.database.connect() as connection:
            if (connection.scalar(query) or 0) >= season.shadows:
                return
        time.sleep(0.05)
    raise SystemExit("the shadow has not predicted the round within 20 s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=a_day, default=a_day("2006-08-01"))
    parser.add_argument("--end", type=a_day, default=a_day("2008-06-01"))
    parser.add_argument("--out", type=Path, default=Path("rollout.html"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        season = Season(Path(folder), options.start)
        began = time.perf_counter()
        season.two_versions()
        print(f"trained in {time.perf_counter() - began:.0f} s; the seasons from {options.start:%Y-%m-%d} on:")
        app = create_full_app(season.opened().home, [season.folder], host="127.0.0.1")
        with on_loopback(app) as address, httpx.Client(base_url=address, timeout=60) as client:
            play(season, client, options.end)
        opened = season.opened()
        state = RolloutRecords(opened.stores.database, "football").newest()
        assert state is not None
        report = report_on(opened.stores.database, "football", state, opened.clock.now())
        options.out.write_text(report_page(report).to_html(), encoding="utf-8")
        losses = report.evidence.losses
        print(f"  losses of version 2 and 1: {losses}; {time.perf_counter() - began:.0f} s in all; {options.out}")
    return 0


def a_day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
