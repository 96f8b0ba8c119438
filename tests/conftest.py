"""Resources for tests: a home, a database, real servers, the folder of real data.

Each xdist worker has its own servers; each test has its own database and an empty Redis.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.mechanisms import starts_services
from tests.servers import S3_KEYS, running_postgres, running_redis, running_s3
from touchline.storage import Database

_CHECKOUT = Path(__file__).parents[1]
_ALIASES = ("MLFLOW_TRACKING_URI", "REDIS_URL", "DATABASE_URL", "CORS_ORIGINS")
_QUIET = {
    "DO_NOT_TRACK": "1",
    "FEAST_USAGE": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Two workers on two cores: threads would only wait for one another.
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what the person's own environment sets for touchline, and keep libraries quiet."""
    for name in list(os.environ):
        if name in _ALIASES or (name.startswith("TOUCHLINE_") and not name.startswith("TOUCHLINE_TEST_")):
            del os.environ[name]
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # How long a busy machine takes is no rule of ours. The same code gets the same examples; thorough is new.
    settings.register_profile("touchline", deadline=None, derandomize=True)
    settings.register_profile("thorough", deadline=None, max_examples=1000)
    settings.load_profile(config.getoption("--hypothesis-profile") or "touchline")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count what starts a server, a process or MLflow among the services tests, also where nobody marked it."""
    for item in items:
        if isinstance(item, pytest.Function) and starts_services(_functions_of(item)):
            item.add_marker(pytest.mark.services)


def _functions_of(item: pytest.Function) -> tuple[Callable[..., Any], ...]:
    """The test and the fixtures that it uses."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return (item.function, *(fixture.func for given in fixtures for fixture in given))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for all state, not made yet."""
    return tmp_path / ".touchline"


@pytest.fixture(scope="session")
def _empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "touchline.db"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def database(tmp_path: Path, _empty_sqlite: Path) -> Iterator[Database]:
    """A SQLite database with all tables."""
    path = shutil.copy(_empty_sqlite, tmp_path / "touchline.db")
    opened = Database.open(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server whose user may make databases."""
    if given := os.environ.get("TOUCHLINE_TEST_POSTGRES_URL"):
        yield given
        return
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str, worker_id: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database, for one test."""
    import psycopg
    from psycopg import sql

    name = f"touchline_test_{worker_id}_{os.getpid()}"
    database = sql.Identifier(name)
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        server.execute(sql.SQL("CREATE DATABASE {}").format(database))
        yield f"{postgres_server.rpartition('/')[0]}/{name}"
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a Redis server, without a database number."""
    if given := os.environ.get("TOUCHLINE_TEST_REDIS_URL"):
        yield given.rstrip("/")
        return
    with running_redis() as url:
        yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, Path]]:
    """The address of an S3 server, and the folder with the files of its bucket."""
    with running_s3() as server:
        yield server


@pytest.fixture
def bucket(s3_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The URL of an empty folder of a bucket, for one test; the environment has the keys and the endpoint."""
    for variable, value in {**S3_KEYS, "AWS_ENDPOINT_URL": s3_server[0]}.items():
        monkeypatch.setenv(variable, value)
    return f"s3://tests/{sha256(str(tmp_path).encode()).hexdigest()[:32]}"


@pytest.fixture
def redis_url(redis_server: str, worker_id: str) -> str:
    """The address of an empty Redis database, for one test."""
    import redis

    number = int(worker_id.removeprefix("gw")) % 16 if worker_id.startswith("gw") else 0
    url = f"{redis_server}/{number}"
    client = redis.Redis.from_url(url)
    client.flushdb()
    client.close()
    return url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout, which no repository carries."""
    folder = _CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"no real data at {folder}: it lies beside a developer's checkout and is not part of the repository"
        )
    return folder
