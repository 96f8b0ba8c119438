"""Policies of retraining over past Bundesliga seasons: their regret, the time of a step, and the memory.

    python benchmarks/rehearse_football.py [--seasons 15] [--policy weekly --policy never] [--out FOLDER]

The football project learns from 1985 on here, with a test window of two years, so that there is a model in 1994. Bars:
15 seasons of the weekly policy in 10 minutes on two cores, memory that does not grow, and a regret of the declared
policy that is at most a quarter of that of "never". They are printed beside what was measured; nothing is asserted.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from touchline.automation.runs.steps import current_snapshots, ingest_all
from touchline.cli.opening import Home, OpenedProject, pipeline_context
from touchline.project import load_project
from touchline.rehearsal import Steps, build_report, prepare, rehearse, report_page
from touchline.settings import Settings

CHECKOUT = Path(__file__).parents[1]
BAR_SECONDS, BAR_SEASONS, BAR_REGRET = 600, 15, 0.25


def football(place: Path) -> OpenedProject:
    """The project with more seasons to learn from, ingested into a home of its own."""
    folder = place / "projects" / "football"
    if not folder.exists():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / "projects" / "football", folder, ignore=ignored)
        path = folder / "project.py"
        text = path.read_text()
        for old, new in (("TO_LEARN_FROM = 1995", "TO_LEARN_FROM = 1985"), ('test="5y"', 'test="2y"')):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text)
    return OpenedProject(Home(Settings(home=place / "home"), place), load_project(folder, base=place))


def print_bars(report: dict[str, Any], *, bar_seconds: float | None = None) -> None:
    """What was measured, and the bars."""
    print(f"{report['predictions']:,} predictions in {report['steps']} steps; {report['recommendation']}")
    best = report["yardstick"]
    print(
        f"  best in hindsight    {best['loss']:.4f}, {best['retrainings']:.1f} retrainings of {best['models']} models"
    )
    print(f"  the same, naively    {best['naive_loss']:.4f}, {best['naive_retrainings']} retrainings")
    for policy in report["policies"]:
        print(
            f"  {policy['name']:20} {policy['loss']:.4f}, gain on never {_figure(policy, 'gain', '.1f')}, regret "
            f"{_figure(policy, 'regret', '.1f')}, {_figure(policy, 'regret_of_never', '.0%')} of never's (bar "
            f"{BAR_REGRET:.0%}), naively {policy['naive_regret']:.1f} ({_share(policy['naive_regret_of_never'])})"
        )
        print(
            f"  {'':20} {policy['trainings']} trainings, {policy['changes_of_production']} changes, "
            f"{policy['rollbacks']} back, {policy['alarms']} alarms ({policy['false_alarms']} false), "
            f"skew {policy['skew']:.1e}"
        )
        bar = f" (bar {bar_seconds:.0f} s)" if bar_seconds is not None else ""
        print(
            f"  {'':20} {policy['seconds']:.0f} s{bar}, {policy['processor_seconds']:.0f} s of a processor, memory "
            f"{policy['megabytes_first']:.0f} MB at first, {policy['megabytes_last']:.0f} MB in the end"
        )


def _figure(policy: dict[str, Any], name: str, form: str) -> str:
    value, error = policy[name], policy[f"{name}_error"]
    if value is None:
        return "-"
    return f"{value:{form}}" if error is None else f"{value:{form}} ± {error:{form}}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seasons", type=int, default=15)
    parser.add_argument("--policy", action="append", default=[])
    parser.add_argument("--place", type=Path, help="a folder that a later call continues in")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    place = options.place or Path(tempfile.mkdtemp())
    opened = football(place)
    context = pipeline_context(opened)
    ingest_all(context)
    steps = Steps(datetime(1994, 8, 1, 4, tzinfo=UTC), datetime(1994 + options.seasons, 6, 15, 4, tzinfo=UTC))
    names = options.policy or ["never", "weekly", "declared"]
    prepared = prepare(opened.loaded, current_snapshots(context), steps, names, root=place / "rehearsals")
    began = time.perf_counter()
    report = build_report(prepared, rehearse(prepared, workers=2), score="log_loss")
    print(f"{time.perf_counter() - began:.0f} s in this call, in two processes")
    print_bars(report, bar_seconds=BAR_SECONDS * options.seasons / BAR_SEASONS)
    if options.out is not None:
        options.out.write_text(report_page(report).to_html(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
