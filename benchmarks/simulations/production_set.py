"""The services of docker-compose.yml as processes of one machine, from real binaries, with the same environment.

Each part has an address of its own on loopback, a check of its health, and a keeper that starts it again one second
after it ended, as Compose and systemd do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers import as_user, postgres_binaries, redis_binary, spare_port

ROOT = Path(__file__).parents[2]
RESTART_SECONDS = 1.0
PASSWORD = "s3cret"


@dataclass
class Part:
    """One process. `is_well` tells whether it does its work."""

    name: str
    command: list[str]
    is_well: Callable[[], bool]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        options = dict(as_user(self.user))
        bare = options.pop("env")
        inherited = bare if self.user else os.environ
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**inherited, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )
        self.starts += 1

    def kill(self) -> None:
        """End it and its children at once, as a machine that loses them would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT if self.name == "postgres" else signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()


@dataclass
class Keeper:
    """Starts parts again that ended, until it is closed."""

    parts: list[Part] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)
    ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.thread.start()

    def add(self, part: Part, *, seconds: float = 180.0) -> Part:
        part.start()
        wait_until(part.is_well, seconds=seconds, what=part.name)
        self.parts.append(part)
        return part

    def close(self) -> None:
        self.ending.set()
        self.thread.join(5)
        for part in reversed(self.parts):
            part.stop()

    def _keep(self) -> None:
        while not self.ending.wait(0.05):
            for part in list(self.parts):
                ended = part.process is not None and part.process.poll() is not None
                if ended and part.name not in self.paused:
                    self.ending.wait(RESTART_SECONDS)
                    part.start()


class Webhook:
    """Where Alertmanager sends what it has to say."""

    def __init__(self) -> None:
        self.alerts: list[tuple[float, str, str]] = []
        alerts = self.alerts

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                alerts.extend((time.time(), one["labels"]["alertname"], one["status"]) for one in document["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> float:
    """The seconds until the condition held."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.02)
    raise SystemExit(f"{what} was not well within {seconds:g} s")


def answers(url: str, **headers: str) -> bool:
    """Whether a GET gets status 200."""
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=2).status == 200
    except OSError:
        return False


@dataclass
class ProductionSet:
    """All parts over one folder. The keys are made by the same script as in Compose."""

    place: Path
    webhook: Webhook = field(default_factory=Webhook)
    keeper: Keeper = field(default_factory=Keeper)
    ports: dict[str, int] = field(default_factory=dict)

    def port(self, name: str) -> int:
        return self.ports.setdefault(name, spare_port())

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    def key(self, role: str) -> str:
        return (self.place / "keys" / f"{role}_key").read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TOUCHLINE_DATABASE_URL": f"postgresql://touchline@127.0.0.1:{self.port('postgres')}/touchline",
            "TOUCHLINE_ONLINE_STORE": "redis",
            "TOUCHLINE_REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{self.port('redis')}/0",
            "TOUCHLINE_MLFLOW_TRACKING_URI": self.url("mlflow"),
            "TOUCHLINE_OBJECTS_URL": str(self.place / "objects"),
            "TOUCHLINE_PROJECTS": str(self.place / "projects" / "shop"),
            "TOUCHLINE_LOG_FORMAT": "json",
            "TOUCHLINE_HOME": str(self.place / "state"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            "OMP_NUM_THREADS": "1",
        }

    def touchline(self, *words: str) -> str:
        """The output of one command in the environment of the set."""
        done = subprocess.run(
            [sys.executable, "-m", "touchline.cli.main", *words],
            cwd=self.place,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"touchline {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def start_stores(self) -> None:
        """PostgreSQL with the databases of touchline and MLflow, Redis with a password, MLflow's server."""
        self._postgres()
        redis = [str(redis_binary()), "--port", str(self.port("redis")), "--bind", "127.0.0.1"]
        redis += ["--requirepass", PASSWORD, "--appendonly", "yes", "--save", "", "--dir", str(self._folder("redis"))]
        self.keeper.add(self._part("redis", redis, self._redis_answers))
        mlflow = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port("mlflow"))]
        mlflow += ["--workers", "1", "--serve-artifacts", "--artifacts-destination", str(self._folder("artifacts"))]
        mlflow += ["--expose-prometheus", str(self.place / "figures")]
        store = f"postgresql+psycopg://touchline@127.0.0.1:{self.port('postgres')}/mlflow"
        part = self._part("mlflow", mlflow, lambda: answers(f"{self.url('mlflow')}/health"))
        part.environment |= {"MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.keeper.add(part)

    def start_touchline(self) -> None:
        """Keys, two replicas, the control plane and two schedulers."""
        setup = ["sh", str(ROOT / "deploy" / "compose" / "setup.sh")]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, **self.environment, "PATH": path, "KEYS": str(self._folder("keys"))}
        subprocess.run(setup, check=True, cwd=self.place, env=environment)
        for name in ("serving-1", "serving-2", "control"):
            port = self.port(name)
            command = [sys.executable, "-m", "touchline.cli.main", "serve", "--port", str(port)]
            command += ["--only-serving"] if name.startswith("serving") else []
            ready = f"{self.url(name)}/readyz"
            self.keeper.add(self._part(name, command, lambda ready=ready: answers(ready)))
        for name in ("scheduler-1", "scheduler-2"):
            command = [sys.executable, "-m", "touchline.cli.main", "schedule", "run"]
            part = self._part(name, command, lambda: True)
            part.environment |= {
                "TOUCHLINE_API_KEY": self.key("operator"),
                "TOUCHLINE_PORT": str(self.port("serving-1")),
            }
            self.keeper.add(part)

    def start_watch(self) -> None:
        """The proxy of Compose, Prometheus with its rules, Alertmanager with its routes."""
        # The version of Compose; 2.6 of Debian answers 503 for seconds once a replica is away.
        packaged = ROOT / "build" / "deploy-tools" / "bin" / "caddyserver"
        caddy = str(packaged) if packaged.exists() else shutil.which("caddy") or "caddy"
        text = (ROOT / "deploy" / "compose" / "Caddyfile").read_text()
        replicas = f"to 127.0.0.1:{self.port('serving-1')} 127.0.0.1:{self.port('serving-2')}"
        text = re.sub(r"dynamic a serving 8000 \{[^}]*\}", replicas, text)
        text = text.replace(":8000 {", f":{self.port('proxy')} {{", 1).replace(":5173", f":{self.port('dashboard')}")
        text = text.replace("control:8000", f"127.0.0.1:{self.port('control')}").replace(
            "2019", str(self.port("admin"))
        )
        (file := self.place / "Caddyfile").write_text(text)
        run = [caddy, "run", "--config", str(file), "--adapter", "caddyfile"]
        self.keeper.add(self._part("proxy", run, lambda: answers(f"{self.url('proxy')}/readyz")))
        alertmanager = [shutil.which("prometheus-alertmanager") or "alertmanager"]
        alertmanager += [f"--config.file={self._alert_routes()}", f"--storage.path={self._folder('alertmanager')}"]
        alertmanager += [f"--web.listen-address=127.0.0.1:{self.port('alertmanager')}", "--cluster.listen-address="]
        ready = f"{self.url('alertmanager')}/-/ready"
        self.keeper.add(self._part("alertmanager", alertmanager, lambda: answers(ready)))
        prometheus = ["prometheus", f"--config.file={self._scrapes()}", f"--storage.tsdb.path={self._folder('tsdb')}"]
        prometheus += [f"--web.listen-address=127.0.0.1:{self.port('prometheus')}"]
        ready_too = f"{self.url('prometheus')}/-/ready"
        self.keeper.add(self._part("prometheus", prometheus, lambda: answers(ready_too)))

    def _part(self, name: str, command: list[str], is_well: Callable[[], bool]) -> Part:
        home = self._folder(f"state-{name}")
        environment = {**self.environment, "TOUCHLINE_HOME": str(home)}
        return Part(name, command, is_well, self.place, environment)

    def _folder(self, name: str) -> Path:
        (folder := self.place / name).mkdir(exist_ok=True)
        return folder

    def _postgres(self) -> None:
        user = "nobody" if os.geteuid() == 0 else None
        folder = self._folder("postgres")
        if user:
            shutil.chown(folder, user)
        binaries, data = postgres_binaries(folder, user=user), folder / "data"
        made = [str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "touchline", "-E", "UTF8", "--locale=C"]
        subprocess.run(made, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user(user))
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(self.port("postgres"))]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        part = Part("postgres", command, self._postgres_answers, folder, user=user)
        self.keeper.add(part)
        import psycopg

        with psycopg.connect(self._postgres_url, autocommit=True) as server:
            server.execute("CREATE DATABASE touchline")
            server.execute((ROOT / "deploy" / "compose" / "mlflow.sql").read_text())

    @property
    def _postgres_url(self) -> str:
        return f"postgresql://touchline@127.0.0.1:{self.port('postgres')}/postgres"

    def _postgres_answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self._postgres_url, connect_timeout=2) as server:
                return server.execute("SELECT 1").fetchone() is not None
        except psycopg.Error:
            return False

    def _redis_answers(self) -> bool:
        import redis

        try:
            with redis.Redis(port=self.port("redis"), password=PASSWORD, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _alert_routes(self) -> Path:
        text = (ROOT / "deploy" / "prometheus" / "alertmanager.yml").read_text()
        (self.place / "webhook_url").write_text(self.webhook.url)
        # Before Alertmanager 0.26 there was no `url_file`.
        (file := self.place / "alertmanager.yml").write_text(
            re.sub(r"url_file: \S+", f"url: {self.webhook.url}", text).replace("group_wait: 30s", "group_wait: 1s")
        )
        return file

    def _scrapes(self) -> Path:
        """The configuration of Compose, with the addresses of this machine in place of the names of services."""
        text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
        text = text.replace("/etc/prometheus/rules.yml", str(ROOT / "deploy" / "prometheus" / "rules.yml"))
        text = text.replace("/run/secrets/viewer_key", str(self.place / "keys" / "viewer_key"))
        replicas = f"['127.0.0.1:{self.port('serving-1')}', '127.0.0.1:{self.port('serving-2')}']"
        text = re.sub(r"dns_sd_configs:\n\s+- \{.*\}", f"static_configs:\n      - targets: {replicas}", text)
        for name, port in (("control", 8000), ("mlflow", 5000), ("alertmanager", 9093), ("localhost", 9090)):
            mine = self.port("prometheus" if name == "localhost" else name)
            text = text.replace(f"[{name}:{port}]", f"['127.0.0.1:{mine}']")
        (file := self.place / "prometheus.yml").write_text(text)
        return file
