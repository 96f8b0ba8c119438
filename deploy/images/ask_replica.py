"""Run a container of the serving image over a small trained project, and ask it for predictions.

python deploy/images/ask_replica.py CONTAINER     (a working container of buildah; called by check.sh)
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
PORT = 18650


def main(container: str) -> int:
    """0 if the replica answered, by value of an entity's key and as of an earlier instant."""
    from tests.api.builders import train_shop

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train_shop(place)
        place.chmod(0o755)
        for path in [place / "home", *(place / "home").rglob("*")]:
            shutil.chown(path, 10001, 10001)
        command = ["buildah", "run", "--network", "host", "--volume", f"{place}/home:/state"]
        command += ["--volume", f"{place}/projects:/app/projects:ro", "--env", "TOUCHLINE_HOST=127.0.0.1", container]
        replica = subprocess.Popen(
            [*command, "--", "touchline", "serve", "shop", "--only-serving", "--port", str(PORT)],
            env={**os.environ, "STORAGE_DRIVER": "vfs"},
            start_new_session=True,
        )
        try:
            return _ask(replica)
        finally:
            os.killpg(replica.pid, signal.SIGTERM)
            replica.wait(60)


def _ask(replica: subprocess.Popen[bytes]) -> int:
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60) as client:
        for _ in range(600):
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
            if replica.poll() is not None:
                print("the container ended")
                return 1
        for body in ({"customer": "c/1"}, {"customer": "c/1", "cutoff": "2024-05-20T00:00:00Z"}):
            response = client.post("/predict", json=body)
            print(response.status_code, response.json().get("probabilities", response.text))
            if response.status_code != 200:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
