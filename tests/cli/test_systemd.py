"""`touchline up --systemd`: units whose command lines run, for any folder and any setting."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Cli, a_shop
from tests.servers import spare_port
from tests.serving.builders import wait_for
from touchline.cli.processes.supervisor import Process
from touchline.cli.processes.systemd_units import Installation, unit_files


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Cli]:
    """The shop below a folder with a blank in its name, not ingested."""
    (place := tmp_path / "my shop").mkdir()
    with a_shop(place) as opened:
        yield opened


def _values(unit: Path, name: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{name}=")]


def _start(unit: Path, place: Path) -> subprocess.Popen[bytes]:
    """The unit's process as systemd would start it: its words, its variables, its folder."""
    assert _values(unit, "WorkingDirectory") == [str(place)]
    pairs = [shlex.split(value)[0].split("=", 1) for value in _values(unit, "Environment")]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHLINE_")}
    words = shlex.split(_values(unit, "ExecStart")[0])
    with (place / f"{unit.stem}.log").open("wb") as log:
        return subprocess.Popen(words, cwd=place, env={**bare, **dict(pairs)}, stdout=log, stderr=log)


@pytest.mark.services
def test_the_command_lines_of_the_units_run(fresh: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    port = spare_port()
    monkeypatch.setenv("TOUCHLINE_PORT", str(port))
    folder = fresh.place / "units"
    printed = fresh.run("up", "--systemd", str(folder), "--domain", "predict.example")
    assert "systemctl enable --now touchline.target" in printed
    assert "touchline keys make scheduler --role operator" in printed
    assert "TOUCHLINE_API_KEY=KEY" in printed
    target = (folder / "touchline.target").read_text()
    assert f"Wants={' '.join(sorted(unit.name for unit in folder.glob('*.service')))}" in "".join(
        f"Wants={' '.join(sorted(line.partition('=')[2].split()))}" for line in target.splitlines() if "Wants" in line
    )
    assert f"reverse_proxy 127.0.0.1:{port}" in (folder / "Caddyfile").read_text()
    (fresh.place / "home" / "touchline.db").unlink()
    started = [_start(folder / f"touchline-{name}.service", fresh.place) for name in ("api", "scheduler")]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:

            def is_alive() -> bool:
                assert all(process.poll() is None for process in started)
                try:
                    return client.get("/healthz").status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(is_alive)
            assert client.get("/readyz").json()["projects"] == {"shop": False}
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for process in started]
    # uvicorn gives the signal on after it has ended in order.
    assert set(codes) <= {0, -signal.SIGTERM}
    assert (fresh.place / "home" / "touchline.db").exists()


def test_signs_that_systemd_would_read_as_its_own_are_escaped() -> None:
    process = Process("api", ("/opt/50%/python", "-c", 'print("$HOME")'), {"TOUCHLINE_HOME": "/srv/a b"})
    installation = Installation(
        "touchline", Path("/srv/a b"), Path("/srv/a b/home"), Path("/etc/touchline/environment")
    )
    text = unit_files([process], installation)["touchline-api.service"]
    assert r'''ExecStart=/opt/50%%/python -c "print(\"$$HOME\")"''' in text
    assert 'Environment="TOUCHLINE_HOME=/srv/a b"' in text
    assert 'ReadWritePaths="/srv/a b/home"' in text
    assert "WorkingDirectory=/srv/a b\n" in text


@pytest.mark.parametrize(("home", "private"), [("/tmp/trial", "no"), ("/var/tmp/a/b", "no"), ("/srv/tmp", "yes")])
def test_a_home_in_a_temporary_folder_is_not_hidden_from_the_units(home: str, private: str) -> None:
    installation = Installation("touchline", Path("/srv/base"), Path(home), Path("/etc/touchline/environment"))
    text = unit_files([Process("api", ("python",), {})], installation)["touchline-api.service"]
    assert f"PrivateTmp={private}\n" in text
