"""Check the files of production with the tools of their own kind: rules, dashboards and what else is deployed.

    python tools/check_deploy.py [--strict] [NAME...]

The tools of requirements/deploy.lock are installed into build/deploy-tools on the first run. promtool and amtool come
with the machine (apt install prometheus prometheus-alertmanager). Without them their checks are left out, which is
printed, and with --strict is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from own_environment import install

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / "build" / "deploy-tools"
LOCK = ROOT / "requirements" / "deploy.lock"


class ToolMissing(Exception):
    """A tool that the package index does not have, and the machine neither."""


def main(arguments: Sequence[str]) -> int:
    """Run the named checks, else all; the exit code is 1 if one failed, or with --strict was left out."""
    names = [name for name in arguments if not name.startswith("-")] or list(CHECKS)
    if unknown := set(names) - set(CHECKS):
        print(f"no check is called {', '.join(sorted(unknown))}; allowed: {', '.join(CHECKS)}")
        return 2
    install(TOOLS, LOCK)
    failed, left_out = 0, 0
    for name in names:
        try:
            problems = list(CHECKS[name]())
        except ToolMissing as missing:
            print(f"{name}: LEFT OUT, {missing}")
            left_out += 1
            continue
        for problem in problems:
            print(f"{name}: {problem}")
        failed += bool(problems)
        print(f"{name}: {len(problems)} problems")
    return int(bool(failed or (left_out and "--strict" in arguments)))


def tool(name: str) -> str:
    """The path of a tool of the lock, or of the machine."""
    own = TOOLS / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise ToolMissing(f"this machine has no {name}")
    return found


def problems_of(command: Sequence[str | Path], *, cwd: Path = ROOT, **environment: str) -> Iterator[str]:
    """What a tool prints, if it does not succeed."""
    ended = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        yield f"{Path(command[0]).name} ended with {ended.returncode}\n{(ended.stdout + ended.stderr).strip()}"


def check_rules() -> Iterator[str]:
    """The rules parse, fire in their unit tests, and each alert has a unit test in which it fires."""
    promtool, folder = tool("promtool"), DEPLOY / "prometheus"
    yield from problems_of([promtool, "check", "rules", folder / "rules.yml"])
    yield from problems_of([promtool, "test", "rules", folder / "rules_test.yml"])
    yield from problems_of([promtool, "check", "config", "--syntax-only", folder / "prometheus.yml"])
    operator = (DEPLOY / "kubernetes" / "base" / "rules.yaml").read_text()
    groups = (folder / "rules.yml").read_text().partition("groups:")[2]
    if textwrap.indent(groups, "  ") not in operator:
        yield "deploy/kubernetes/base/rules.yaml has other groups than deploy/prometheus/rules.yml"
    tests = (folder / "rules_test.yml").read_text()
    for alert in re.findall(r"alert: (\w+)", (folder / "rules.yml").read_text()):
        if not re.search(rf"alertname: {alert}\n\s+exp_alerts:\n", tests):
            yield f"no unit test sees {alert} fire"


def check_alertmanager() -> Iterator[str]:
    """The routes parse. Before 0.26 a receiver had no `url_file`: an older amtool is given an address in its place."""
    amtool, file = tool("amtool"), DEPLOY / "prometheus" / "alertmanager.yml"
    text = file.read_text()
    version = subprocess.run([amtool, "--version"], capture_output=True, text=True, check=True)
    numbers = re.search(r"version (\d+)\.(\d+)", version.stdout + version.stderr)
    if numbers and (int(numbers[1]), int(numbers[2])) < (0, 26):
        text = re.sub(r"url_file: \S+", "url: http://127.0.0.1/", text)
    with tempfile.TemporaryDirectory() as folder:
        (copy := Path(folder) / "alertmanager.yml").write_text(text)
        yield from problems_of([amtool, "check-config", copy])
    alerts = set(re.findall(r"alert: (\w+)", (DEPLOY / "prometheus" / "rules.yml").read_text()))
    for named in re.findall(r'alertname="(\w+)"', text):
        if named not in alerts:
            yield f"a route names the alert {named}, which no rule has"


def check_dashboards() -> Iterator[str]:
    """Each expression is one that Prometheus parses."""
    expressions = [
        # Grafana puts the chosen projects in the place of the variable.
        (f"{file.name}, {panel['title']!r}", target["expr"].replace("$project", ".*"))
        for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    ]
    yield from problems_of([TOOLS / "bin" / "python", "-c", _PARSE, json.dumps(expressions)])


_PARSE = """
import json, promql_parser, sys
for place, expression in json.loads(sys.argv[1]):
    try:
        promql_parser.parse(expression)
    except ValueError as wrong:
        sys.exit(f"{place}: {wrong}")
"""


def check_node_series() -> Iterator[str]:
    """Series of node-exporter that rules and dashboards read are those of the exporter itself."""
    exporter = tool("prometheus-node-exporter")
    figures = subprocess.run(
        [sys.executable, "-c", _SCRAPE, exporter], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    exported = set(re.findall(r"^(node_\w+)", figures, re.MULTILINE))
    for file in [DEPLOY / "prometheus" / "rules.yml", *(DEPLOY / "grafana" / "dashboards").glob("*.json")]:
        for name in sorted(set(re.findall(r"\bnode_\w+", file.read_text())) - exported):
            yield f"{file.name} reads {name}, which node-exporter does not export"


_SCRAPE = """
import socket, subprocess, sys, time, urllib.request
with socket.socket() as spare:
    spare.bind(("127.0.0.1", 0))
    port = spare.getsockname()[1]
command = [sys.argv[1], f"--web.listen-address=127.0.0.1:{port}"]
with subprocess.Popen(command, stderr=subprocess.DEVNULL) as exporter:
    try:
        for _ in range(300):
            try:
                print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode())
                break
            except OSError:
                time.sleep(0.1)
    finally:
        exporter.terminate()
"""


def check_images() -> Iterator[str]:
    """The Dockerfile and the scripts of the images by their linters."""
    yield from problems_of([tool("hadolint"), DEPLOY / "images" / "Dockerfile"])
    scripts = [
        *DEPLOY.rglob("*.sh"),
        *(ROOT / "tools" / name for name in ("environment", "images", "lock", "pipeline", "web")),
    ]
    yield from problems_of([tool("shellcheck"), *scripts])


_REQUIRED = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "BACKUP_PASSWORD", "ALERT_WEBHOOK_URL")


def check_compose() -> Iterator[str]:
    """Compose takes the file; a missing secret stops it with its name; images are pinned, read-only and watched."""
    compose = [tool("docker-compose"), "--file", ROOT / "docker-compose.yml", "config"]
    given = dict.fromkeys(_REQUIRED, "x")
    yield from problems_of([*compose, "--quiet"], **given)
    for name in _REQUIRED:
        message = "".join(problems_of([*compose, "--quiet"], **{**given, name: ""}))
        if f"variable {name} is missing" not in message:
            yield f"without {name} it says: {message or 'nothing'}"
    shown = subprocess.run([*compose, "--format", "json"], env={**os.environ, **given}, capture_output=True, check=True)
    for name, service in json.loads(shown.stdout)["services"].items():
        if not re.search(r":v?\d+\.\d+\.\d+|:\d+\.\d+-", service["image"]):
            yield f"{name}: the image {service['image']} is not pinned"
        if not service.get("read_only"):
            yield f"{name}: its root file system can be written to"
        if service.get("restart") != "no" and "test" not in service.get("healthcheck", {}) and "build" not in service:
            yield f"{name} has no health check"


def check_proxy() -> Iterator[str]:
    """The Caddyfile of the Compose stack."""
    file = DEPLOY / "compose" / "Caddyfile"
    yield from problems_of([tool("caddyserver"), "validate", "--adapter", "caddyfile", "--config", file])


def check_systemd() -> Iterator[str]:
    """systemd takes the units that `touchline up --systemd` writes for the samples, and Caddy the Caddyfile."""
    with tempfile.TemporaryDirectory() as folder:
        command = [ROOT / ".venv" / "bin" / "touchline", "up", "football", "leads", "--systemd", folder]
        yield from problems_of(command, TOUCHLINE_HOME=f"{folder}/home")
        file = Path(folder) / "Caddyfile"
        yield from problems_of([tool("caddyserver"), "validate", "--adapter", "caddyfile", "--config", file])
        units = sorted(Path(folder).glob("touchline*"))
        ended = subprocess.run(
            [tool("systemd-analyze"), "verify", "--man=no", *units], capture_output=True, text=True, check=False
        )
        # It also speaks of units of the machine; ours are those whose names begin alike.
        yield from (line for line in (ended.stdout + ended.stderr).splitlines() if "touchline" in line)


# Kinds of other projects, whose schemas kubernetes-validate does not have.
_FOREIGN = {"ServiceMonitor", "PrometheusRule", "Gateway", "HTTPRoute"}
# Policies that are not kept, and why: digests of images and the pull by them are set by the workflow cd, which builds
# them (43, 15); the base image is a pinned argument (DOCKER_7); secrets come as variables, from references (35);
# PostgreSQL's and Redis' images have the user 999 (40).
_SKIPPED = "CKV_K8S_43,CKV_K8S_15,CKV_K8S_35,CKV_K8S_40"


def check_kubernetes() -> Iterator[str]:
    """Each overlay is built, fits the schemas of Kubernetes, and keeps the security policies of checkov."""
    with tempfile.TemporaryDirectory() as folder:
        for overlay in sorted((DEPLOY / "kubernetes" / "overlays").iterdir()):
            file = Path(folder) / f"{overlay.name}.yaml"
            kustomize = [tool("kubectl"), "kustomize", overlay]
            built = subprocess.run(kustomize, capture_output=True, text=True, check=False)
            if built.returncode:
                yield f"{overlay.name}: {built.stderr.strip()}"
                continue
            file.write_text(built.stdout)
            validate = [tool("kubernetes-validate"), "--strict", file]
            ended = subprocess.run(validate, capture_output=True, text=True, check=False)
            for line in (ended.stdout + ended.stderr).splitlines():
                kind = re.search(r"find schema for kind (\w+)", line)
                if not line.startswith("INFO") and not (kind and kind[1] in _FOREIGN):
                    yield f"{overlay.name}: {line.replace(folder, '')}"
        checkov = [tool("checkov"), "--directory", folder, "--framework", "kubernetes", "--compact", "--quiet"]
        yield from problems_of([*checkov, "--skip-download", "--skip-check", _SKIPPED])
        dockerfile = [tool("checkov"), "--file", DEPLOY / "images" / "Dockerfile", "--framework", "dockerfile"]
        yield from problems_of([*dockerfile, "--compact", "--quiet", "--skip-download", "--skip-check", "CKV_DOCKER_7"])


def check_workflows() -> Iterator[str]:
    """Workflows fit GitHub's schema; each command is a target of the Makefile, or installs what a machine lacks."""
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    yield from problems_of([tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *files])
    yield from problems_of([tool("pre-commit"), "validate-config", ROOT / ".pre-commit-config.yaml"])
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file in files:
        for command in re.findall(r"run: (.+)$", file.read_text(), re.MULTILINE):
            named = re.fullmatch(r'make ([a-z-]+)( [A-Z]+=("[^"$]*(\$[A-Z]+[^"$]*)*"|[a-z]+))*', command)
            if named and named[1] not in targets:
                yield f"{file.name} runs make {named[1]}, which the Makefile does not have"
            elif not named and not command.startswith("sudo apt-get update && sudo apt-get install --yes "):
                yield f"{file.name} runs {command!r}: let it be a target of the Makefile"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "rules": check_rules,
    "alertmanager": check_alertmanager,
    "dashboards": check_dashboards,
    "node-series": check_node_series,
    "images": check_images,
    "compose": check_compose,
    "proxy": check_proxy,
    "systemd": check_systemd,
    "kubernetes": check_kubernetes,
    "workflows": check_workflows,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
