"""A replica runs in an environment that holds only the group `serving`, as its image does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.servers import spare_port
from tests.serving.builders import wait_for

_CHECKOUT = Path(__file__).parents[2]
_LOCK = _CHECKOUT / "requirements" / "serving.lock"
# Refuses every library whose distribution is not in the lock, as if it were not installed.
_RUN = """
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions

allowed = set(sys.argv.pop(1).split(","))
names = lambda module: {name.lower().replace("_", "-") for name in installed.get(module, ())}
installed = packages_distributions()

class OnlyTheGroup(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        owners = names(fullname.partition(".")[0])
        if owners and not owners & allowed:
            raise ModuleNotFoundError(f"No module named {fullname!r}: it is not in the group", name=fullname)

sys.meta_path.insert(0, OnlyTheGroup())
from touchline.cli.main import main
main()
"""


def test_the_image_holds_no_library_that_only_training_needs() -> None:
    assert not _locked() & {"mlflow", "feast", "pandas", "scikit-learn", "matplotlib", "scipy"}


def test_the_versions_of_the_group_are_those_of_the_project() -> None:
    groups = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())
    project = groups["project"]
    declared = {
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    }
    declared_names = {re.split(r"[\[<>=]", line)[0] for line in declared}
    for line in groups["dependency-groups"]["serving"]:
        # uvloop and httptools are what `uvicorn[standard]` brings.
        name = re.split(r"[\[<>=]", line)[0]
        assert line in declared or name in ("uvicorn", "uvloop", "httptools"), line
        assert name in declared_names | {"uvloop", "httptools"}


@pytest.mark.services
def test_a_replica_answers_with_only_its_group(shop: Path) -> None:
    port = spare_port()
    command = [sys.executable, "-c", _RUN, ",".join(_locked() | {"touchline"})]
    options = ["serve", "shop", "--only-serving", "--port", str(port)]
    environment = {**os.environ, "TOUCHLINE_HOME": str(shop / "home")}
    log = shop / "replica.log"
    with log.open("wb") as output:
        replica = subprocess.Popen([*command, *options], cwd=shop, env=environment, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:

            def is_ready() -> bool:
                assert replica.poll() is None, log.read_text()
                try:
                    return client.get("/readyz").status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(is_ready)
            now = _answered(client, "/predict")
            earlier = _answered(client, "/predict", cutoff="2024-05-20T00:00:00Z")
            explained = _answered(client, "/explain")
            assert [one.status_code for one in (now, earlier, explained)] == [200, 200, 200], log.read_text()
            assert now.json()["probabilities"] != earlier.json()["probabilities"]
    finally:
        replica.send_signal(signal.SIGTERM)
        replica.wait(60)


def _answered(client: httpx.Client, path: str, **body: str) -> httpx.Response:
    """The response, once the server is not busy: the first history that it reads imports Polars."""
    responses: list[httpx.Response] = []

    def is_answered() -> bool:
        responses.append(client.post(path, json={"customer": "c/1", **body}))
        return responses[-1].status_code != 503

    wait_for(is_answered)
    return responses[-1]


def _locked() -> set[str]:
    return set(re.findall(r"^([a-z0-9][\w.\-]*)==", _LOCK.read_text(), flags=re.MULTILINE))
