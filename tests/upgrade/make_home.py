"""Make `first_home.tar.xz`: a home as the first supported commit leaves it, with two releases and answered requests.

python -m tests.upgrade.make_home COMMIT

`COMMIT` is checked out into a scratch folder, and its own code does all of it: ingest, two trainings of two model
families, predictions over HTTP, an outcome. The file is made once for a commit and never again by later code:
what it stands for is what a user of that commit has on disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from tests.servers import spare_port
from tests.shop import write_shop

TARGET = Path(__file__).with_name("first_home.tar.xz")
_MAIN = "from touchline.cli.main import main; main()"
_READY_SECONDS = 120


def main(commit: str) -> None:
    """Check the commit out, let it make a home, and pack that."""
    with TemporaryDirectory() as scratch:
        tree, place = Path(scratch) / "tree", Path(scratch) / "place"
        tree.mkdir()
        place.mkdir()
        archive = subprocess.run(["git", "archive", commit, "src"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", str(tree)], input=archive, check=True)
        write_shop(place)
        _fill(place, {**os.environ, "PYTHONPATH": str(tree / "src"), "TOUCHLINE_HOME": str(place / ".touchline")})
        (place / "COMMIT").write_text(f"{commit}\n")
        _pack(place)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


def _fill(place: Path, environment: dict[str, str]) -> None:
    """Two versions in Production one after the other, each of which answered requests."""
    project = place / "projects" / "shop" / "project.py"
    text = project.read_text().replace(', Gate.improves("log_loss")', "")
    for candidate in ("logistic", "lightgbm"):
        project.write_text(text.replace('"logistic"', f'"{candidate}"'))
        _touchline(place, environment, "train")
        if candidate == "lightgbm":
            _touchline(place, environment, "models", "promote", "2", "--now", "--reason", "another family")
        _answer(place, environment, examples=[f"{candidate}-{number}" for number in range(12)])


def _touchline(place: Path, environment: dict[str, str], *words: str) -> None:
    subprocess.run([sys.executable, "-c", _MAIN, *words], cwd=place, env=environment, check=True)


def _answer(place: Path, environment: dict[str, str], *, examples: list[str]) -> None:
    """A server of that commit answers these examples, takes an outcome, and ends with its log in the database."""
    port = spare_port()
    words = ["serve", "shop", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-c", _MAIN, *words], cwd=place, env=environment)
    try:
        _wait_until_ready(port, server)
        for number, example in enumerate(examples):
            _post(port, "predict", {"example_id": example, "customer": f"c{number * 3}"})
        _post(port, "outcomes", {"example_id": examples[0], "label": "yes"})
    finally:
        server.terminate()
        server.wait(60)


def _wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    end = monotonic() + _READY_SECONDS
    while monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        except OSError:
            sleep(0.2)
    raise SystemExit("the server did not become ready")


def _post(port: int, path: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            print(path, response.read().decode()[:200])
    except urllib.error.HTTPError as refused:
        raise SystemExit(f"{path}: {refused.read().decode()}") from refused


def _pack(place: Path) -> None:
    left_out = {"logs", "__pycache__", "run"}
    with tarfile.open(TARGET, "w:xz") as packed:
        packed.add(place, arcname=".", filter=lambda entry: None if left_out & set(Path(entry.name).parts) else entry)


if __name__ == "__main__":
    main(sys.argv[1])
