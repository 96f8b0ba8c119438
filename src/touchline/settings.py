"""Deployment settings: the values that differ between machines.

Every setting is an environment variable `TOUCHLINE_<NAME>`; `MLFLOW_TRACKING_URI`, `REDIS_URL`,
`DATABASE_URL` and `CORS_ORIGINS` are read when the `TOUCHLINE_` form is absent. `<VARIABLE>_FILE` names a file
with the value instead, as Docker and Kubernetes mount secrets.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from touchline.errors import InvalidSetting, failure_in_words, without_error_kind, without_passwords

_PREFIX = "TOUCHLINE_"
_FILE = "_FILE"
_ALIASES = {
    "mlflow_tracking_uri": "MLFLOW_TRACKING_URI",
    "redis_url": "REDIS_URL",
    "database_url": "DATABASE_URL",
    "cors_origins": "CORS_ORIGINS",
}
SECRETS = frozenset({"api_key", "backup_password"})
"""Settings whose value is never shown, logged or stored."""

# Set by the tests and by tools around touchline; never a deployment setting.
_NOT_SETTINGS = ("TOUCHLINE_TEST_", "TOUCHLINE_WORKER_FIGURES")


class Settings(BaseModel):
    """The settings of one deployment. `cli/` reads them once and hands them down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(Path(".touchline"), description="folder that holds all state")
    projects: tuple[str, ...] = Field((), description="projects that `up` serves: names or folders, comma separated")
    project: str | None = Field(None, description="the default project")
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="port of API, docs and dashboard")
    mlflow_port: Annotated[int, Field(ge=1, le=65535)] = Field(5000, description="port of the MLflow UI")
    database_url: str | None = Field(None, description="metadata database; default SQLite in the home")
    mlflow_tracking_uri: str | None = Field(None, description="MLflow server; default SQLite in the home")
    objects_url: str | None = Field(
        None, description="store of Parquet files and releases; default a folder in the home"
    )
    online_store: Literal["sqlite", "redis"] = Field("sqlite", description="online feature store")
    redis_url: str | None = Field(None, description="Redis or Valkey, when online_store is redis")
    online_away: Literal["refuse", "last_values", "copy"] = Field(
        "last_values",
        description="while Redis is unreachable: refuse requests, use the last values read, or a copy in the home",
    )
    api_key: str | None = Field(None, repr=False, description="key that the command line sends to the server")
    api_workers: Annotated[int, Field(ge=1, le=256)] = Field(1, description="number of API processes")
    training_workers: Literal["local", "ray"] = Field("local", description="where models are fitted")
    joins: Literal["local", "ray", "spark"] = Field("local", description="where features are joined to examples")
    ray_address: str | None = Field(None, description="the Ray cluster, if one is used; default a local one")
    spark_master: str | None = Field(None, description="the Spark cluster, if joins is spark; default local cores")
    cors_origins: tuple[str, ...] = Field((), description="origins a browser may call from, comma separated")
    webhook_networks: tuple[str, ...] = Field(
        (), description="networks that webhooks may reach besides public addresses, comma separated"
    )
    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="requests a second that each API key may send to each API process; default no limit"
    )
    release_keys: Path | None = Field(None, description="folder of the keys that sign releases; default in the home")
    release_signatures: Literal["checked", "required"] = Field(
        "checked", description="whether a release without a signature is refused; a wrong signature always is"
    )
    backup_to: str | None = Field(None, description="folder or bucket for backups; the scheduler makes one a day")
    backup_also_to: str | None = Field(None, description="a second place for the same backups")
    backup_password: str | None = Field(None, repr=False, description="encrypts backups (restic); default plain files")
    backup_hour: Annotated[int, Field(ge=0, le=23)] = Field(2, description="hour of the daily backup, in UTC")
    scheduler: bool = Field(True, description="whether `up` runs the scheduler; others may run elsewhere")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level that is logged")
    log_format: Literal["text", "json"] = Field("text", description="plain text, or one JSON document per line")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings of this process. Raises `InvalidSetting` for an unknown name or a wrong value."""
        values = _collect(os.environ if environment is None else environment)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            actual = "set" if name in SECRETS else _shown(first["input"])
            raise InvalidSetting(_PREFIX + name.upper(), actual, without_error_kind(first["msg"])) from None

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, key: str | None) -> str | None:
        return key and validated_key(key)

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no network; write such as 10.0.0.0/8 or 127.0.0.1/32") from None
        return networks

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str | None) -> str | None:
        return url and validated_address(url, ("redis", "rediss", "unix", "valkey", "valkeys"))

    @field_validator("mlflow_tracking_uri")
    @classmethod
    def _mlflow(cls, url: str | None) -> str | None:
        return url and validated_address(url, ("http", "https", "sqlite", "postgresql", "mysql", "mssql"))

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str | None) -> str | None:
        return url and validated_address(url, ("sqlite", "postgresql", "postgres"))

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home.absolute() / 'touchline.db'}"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_tracking_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"


def _shown(value: object) -> str:
    """A wrong value, which may be an address whose password has any signs."""
    start, sign, rest = str(value).partition("://")
    if not sign or "@" not in rest:
        return without_passwords(repr(value))
    return without_passwords(f"'{start}://***@{rest.rpartition('@')[2]}'")


def validated_key(key: str) -> str:
    """The API key unchanged. Raises `ValueError` for text that no HTTP header can carry."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("an API key is one word of ASCII letters, digits and signs, as `touchline keys make` prints")
    return key


def validated_address(url: str, schemes: Collection[str]) -> str:
    """The address unchanged. Raises `ValueError`, which shows no part of a password."""
    scheme, sign, rest = url.partition("://")
    if not sign or scheme.partition("+")[0] not in schemes:
        raise ValueError(f"an address starts with one of {', '.join(f'{name}://' for name in schemes)}")
    if scheme in ("sqlite", "unix"):
        return url
    if "@" in rest and any(sign in rest[: rest.rindex("@")] for sign in "/?#@"):
        raise ValueError("signs such as / ? # @ in a user name or password must be percent-encoded (%2F %3F %23 %40)")
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise ValueError("the host is missing, or the port is no number from 1 to 65535") from None
    if scheme.startswith(("redis", "valkey")) and not parts.path.strip("/").isdecimal() and parts.path.strip("/"):
        raise ValueError("the path of the address is the number of the Redis database, such as /0")
    return url


def _with_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the content of each file that a `..._FILE` variable of a setting names."""
    names = {_PREFIX + field.upper() for field in Settings.model_fields} | set(_ALIASES.values())
    values = dict(environment)
    for variable in sorted(f"{name}{_FILE}" for name in names):
        path = values.pop(variable, "")
        if not path:
            continue
        name = variable.removesuffix(_FILE)
        if values.get(name):
            raise InvalidSetting(variable, path, f"{name} is set, too; set one of them")
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as failure:
            raise InvalidSetting(variable, path, f"the file cannot be read ({failure_in_words(failure)})") from failure
        if not values[name]:
            raise InvalidSetting(variable, path, "the file is empty")
    return values


def _collect(environment: Mapping[str, str]) -> dict[str, object]:
    environment = _with_files(environment)
    values: dict[str, object] = {}
    for field, alias in _ALIASES.items():
        if environment.get(alias):
            values[field] = environment[alias]
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX) or variable.startswith(_NOT_SETTINGS):
            continue
        if not text:  # as Compose writes a variable that is not set
            continue
        field = variable.removeprefix(_PREFIX).lower()
        if field not in Settings.model_fields:
            raise InvalidSetting.unknown(variable, [_PREFIX + name.upper() for name in Settings.model_fields])
        values[field] = text
    for field in ("projects", "cors_origins", "webhook_networks"):
        if field in values:
            values[field] = tuple(part.strip() for part in str(values[field]).split(",") if part.strip())
    return values
