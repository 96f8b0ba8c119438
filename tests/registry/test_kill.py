"""kill -9 at any step of recording and promoting: what is left is consistent, and the same command carries on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.registry.builders import a_trained
from touchline.registry import (
    Decision,
    Gate,
    GateInputs,
    Registry,
    Releases,
    load_release,
    promote,
    read_versions,
    record_version,
)

pytestmark = pytest.mark.services

GATES = GateInputs((Gate("accuracy", at_least=0.52), Gate.improves("log_loss")))
# Runs one command and dies by SIGKILL at a named point: before the nth file is stored, before or after a commit,
# or in the middle of MLflow's mirror.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from tests.registry.builders import a_registry, a_trained
from tests.registry.test_kill import GATES
from touchline.registry import Decision, promote, record_version
from touchline.storage import Database

folder, act, point, nth = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
left = nth

def step(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Deadly:
    def __init__(self, real, names):
        self._real, self._names = real, names
    def __getattr__(self, name):
        if name in self._names:
            step()
        return getattr(self._real, name)

database = Database.open(f"sqlite:///{folder / 'touchline.db'}")
registry = a_registry(database, folder)
if point == "file":
    object.__setattr__(registry, "objects", Deadly(registry.objects, {"write_file", "write"}))
elif point == "commit":
    event.listen(database.engine, "commit", step)
elif point == "mlflow":
    registry.tracking.__dict__["client"] = Deadly(registry.tracking.client, {
        "create_run", "log_inputs", "create_logged_model", "log_model_artifacts", "log_batch", "set_terminated",
        "create_model_version", "set_registered_model_alias", "set_model_version_tag"})
if act == "record":
    record_version(registry, a_trained())
else:
    promote(registry, "p", 1, Decision("ann"), inputs=GATES)
print("finished")
"""


def killed(registry: Registry, folder: Path, act: str, point: str, nth: int) -> None:
    registry.database.close()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), act, point, str(nth)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


@pytest.mark.parametrize(("point", "nth"), [("file", 3), ("mlflow", 5), ("commit", 0)])
def test_a_kill_while_recording_registers_nothing_and_the_next_attempt_does(
    registry: Registry, tmp_path: Path, point: str, nth: int
) -> None:
    killed(registry, tmp_path, "record", point, nth)
    assert read_versions(registry, "p") == []
    recorded = record_version(registry, a_trained())
    assert (recorded.is_new, recorded.version.version) == (True, 1)
    client = registry.tracking.client
    assert len(client.search_model_versions("name = 'p'")) == 1
    experiment = client.get_experiment_by_name("p/training").experiment_id
    assert len(client.search_runs([experiment], "tags.`touchline.key` != ''")) == 1


@pytest.mark.parametrize(("point", "nth"), [("file", 9), ("commit", 1), ("mlflow", 1)])
def test_a_kill_while_promoting_leaves_a_state_from_which_the_same_command_carries_on(
    registry: Registry, tmp_path: Path, point: str, nth: int
) -> None:
    record_version(registry, a_trained())
    killed(registry, tmp_path, "promote", point, nth)
    state = registry.journal.state("p")
    # Either nothing of the step is there or all of it.
    assert (state.sequence, state.production) in ((0, None), (2, 1))
    if state.production:
        assert Releases(registry).find(state.releases[1]) is not None
    done = promote(registry, "p", 1, Decision("ann"), inputs=GATES)
    assert (done.version.stage, registry.journal.head("p")) == ("Production", 2)
    release = Releases(registry).find(str(done.version.release_id))
    assert release is not None
    assert load_release(release.path, digest=release.digest).id == release.id
    found = registry.tracking.client.get_registered_model("p").aliases
    assert {name: int(version) for name, version in found.items()} == {"production": 1}
