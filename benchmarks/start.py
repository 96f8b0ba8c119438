"""How long a command takes before it does anything: `import touchline` and `--help`, beside the peers' commands.

Run: python benchmarks/start.py. Each is started anew seven times, in turns; the smallest and the median are printed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

COMMANDS = Path(sys.executable).parent
RUNS = 7
STARTS: dict[str, tuple[list[str], float | None]] = {
    "python -c ''": ([sys.executable, "-c", ""], None),
    "import touchline": ([sys.executable, "-c", "import touchline"], 0.2),
    "touchline --help": ([str(COMMANDS / "touchline"), "--help"], 0.5),
    "mlflow --help": ([str(COMMANDS / "mlflow"), "--help"], None),
    "feast --help": ([str(COMMANDS / "feast"), "--help"], None),
}


def seconds_of(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(RUNS):
        for name, (command, _) in STARTS.items():
            times[name].append(seconds_of(command))
    own = median(times["touchline --help"])
    for name, (_, target) in STARTS.items():
        middle = median(times[name])
        verdict = "" if target is None else f"   target < {target} s: {'met' if middle < target else 'MISSED'}"
        ratio = f"   {middle / own:5.1f} x touchline" if target is None else ""
        print(f"{name:<18} median {middle:6.3f} s   least {min(times[name]):6.3f} s{verdict}{ratio}")


if __name__ == "__main__":
    main()
