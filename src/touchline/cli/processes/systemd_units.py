"""Unit files of systemd and a Caddyfile that run the processes of `touchline up` on one machine, without containers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from touchline.cli.processes.supervisor import Process

# What each unit may do: it writes to the home alone, has no rights beyond its user's, and sees no device.
_HARDENING = """\
NoNewPrivileges=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
UMask=0077"""
_DESCRIPTIONS = {
    "api": "API and dashboard",
    "mlflow": "MLflow server",
    "alerts": "watch of alerts",
    "scheduler": "scheduler and worker",
}
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))
# A running training is interrupted in order; requests are answered first.
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Installation:
    """Where the units run: the user, the folder of the projects, the home, and the file of secrets."""

    user: str
    base: Path
    home: Path
    environment_file: Path

    @property
    def temporary(self) -> Path | None:
        """The folder of these that is temporary: PrivateTmp would hide it from the units."""
        folders = (self.home, self.base)
        return next((one for one in folders if any(one.is_relative_to(place) for place in _TEMPORARY)), None)


def unit_files(processes: Sequence[Process], installation: Installation) -> dict[str, str]:
    """The text of each unit by its file name, and of the target that starts and stops them together."""
    units = {f"touchline-{process.name}.service": _service(process, installation) for process in processes}
    wanted = " ".join(units)
    units["touchline.target"] = "\n".join(
        ("[Unit]", "Description=touchline", f"Wants={wanted}", "", "[Install]", "WantedBy=multi-user.target", "")
    )
    return units


def _service(process: Process, installation: Installation) -> str:
    lines = [
        "[Unit]",
        f"Description=touchline: {_DESCRIPTIONS.get(process.name, process.name)}",
        "After=network-online.target",
        "Wants=network-online.target",
        "PartOf=touchline.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"User={installation.user}",
        f"WorkingDirectory={_escaped(str(installation.base))}",
        *_environment(process.environment),
        # Secrets, such as TOUCHLINE_DATABASE_URL: readable by root alone, optional.
        f"EnvironmentFile=-{_escaped(str(installation.environment_file))}",
        f"ExecStart={_command(process.command)}",
        "Restart=always",
        "RestartSec=1",
        f"TimeoutStopSec={_STOP_SECONDS}",
        f"PrivateTmp={'yes' if installation.temporary is None else 'no'}",
        _HARDENING,
        f"ReadWritePaths={_quoted(str(installation.home))}",
    ]
    return "\n".join((*lines, "", "[Install]", "WantedBy=touchline.target", ""))


def _environment(variables: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(variables.items()):
        yield f"Environment={_quoted(f'{name}={value}')}"


def _command(words: Sequence[str]) -> str:
    """A command line as systemd splits it: `$` starts a variable there, also within quotes."""
    return " ".join(_quoted(word).replace("$", "$$") for word in words)


def _quoted(text: str) -> str:
    """A word in quotes where it needs them; `%` starts a specifier in every line."""
    escaped = _escaped(text)
    if escaped and shlex.quote(text) == text:
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def caddyfile(domain: str, *, port: int) -> str:
    """A reverse proxy with TLS: the certificate of a public name comes and is renewed by itself (Let's Encrypt)."""
    return f"""\
# HTTPS for predictions, /api and the dashboard.
# MLflow's own UI stays on this machine: ssh -L 5000:localhost:5000 USER@HOST
{domain} {{
	encode zstd gzip
	header {{
		Strict-Transport-Security "max-age=31536000"
		X-Content-Type-Options nosniff
		Referrer-Policy no-referrer
		-Server
	}}
	# Figures are for Prometheus on this machine.
	@figures path /metrics
	respond @figures 404
	request_body {{
		max_size 64MiB
	}}
	reverse_proxy 127.0.0.1:{port} {{
		health_uri /healthz
		health_interval 5s
		lb_try_duration 5s
	}}
}}
"""
