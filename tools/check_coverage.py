"""Hold the coverage of the tests against its limits: 90 % of all lines, every line where a mistake costs most.

python tools/check_coverage.py coverage.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TOTAL_PERCENT = 90.0
# Joins, gates, routing and the journal: a line that no test reached is a rule that nobody saw hold.
WHOLE = (
    "src/touchline/features/offline/as_of_join.py",
    "src/touchline/features/offline/point_in_time.py",
    "src/touchline/registry/gates/gates.py",
    "src/touchline/registry/journal/journal.py",
    "src/touchline/rollout/routing.py",
)


def main(report: Path) -> int:
    """Print each breach; the exit code is 1 if there is one."""
    document = json.loads(report.read_text())
    breaches = []
    percent = document["totals"]["percent_covered"]
    if percent < TOTAL_PERCENT:
        breaches.append(
            f"{percent:.1f} % of the lines are reached by a test; at least {TOTAL_PERCENT:.0f} % are required"
        )
    for name in WHOLE:
        file = document["files"].get(name)
        if file is None:
            breaches.append(f"{name} is not in the report")
        elif file["missing_lines"]:
            breaches.append(f"{name}: no test reaches lines {file['missing_lines']}")
    for breach in breaches:
        print(breach)
    print(f"coverage: {percent:.1f} %, {len(breaches)} breaches")
    return bool(breaches)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
