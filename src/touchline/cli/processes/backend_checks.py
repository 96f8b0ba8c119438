"""The checks of `touchline doctor` on the stores: database, MLflow, online store, objects, each with a next step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from touchline import registry
from touchline.cli.opening import Home
from touchline.cli.processes.check_result import CheckResult
from touchline.errors import TouchlineError, without_passwords
from touchline.storage import sqlite_damage, validate_writable
from touchline.storage.ulids import Ulids

_TRACKING_SECONDS: Final = 10.0


def database_checks(home: Home) -> Iterator[CheckResult]:
    """Whether the database answers, is sound and takes writes; then MLflow."""
    yield _database(home)
    yield from _tracking(home)


def _database(home: Home) -> CheckResult:
    where = without_passwords(home.settings.database)
    try:
        home.database.migrate()
        problem = home.database.find_damage()
        if problem is None:
            validate_writable(home.database)
    except TouchlineError as error:
        return CheckResult("wrong", "database", str(error))
    except SQLAlchemyError as error:
        problem = str(error.__cause__ or error)
    if problem is None:
        return CheckResult("ok", "database", where)
    return CheckResult("wrong", "database", f"{where} is damaged: {problem}; it must come from a backup")


def _tracking(home: Home) -> Iterator[CheckResult]:
    tracking = home.settings.tracking_uri
    if tracking.startswith("http"):
        yield _tracking_server(home)
        return
    file = registry.database_file(tracking)
    if file is None or not (file.exists() or _has_runs(home)):
        return  # a database of its own, or nothing was trained yet
    is_lost = not file.exists() or file.stat().st_size == 0
    damage = "it is missing or empty, although runs were recorded" if is_lost else sqlite_damage(file)
    if damage is None:
        yield CheckResult("ok", "MLflow", tracking)
    else:
        step = "restore it from a backup; training needs it, serving and the journal do not"
        yield CheckResult("wrong", "MLflow", f"{tracking} is damaged: {damage}; {step}")


def _tracking_server(home: Home) -> CheckResult:
    """Whether an MLflow server answers one call of its API. Its own client would take seconds to import."""
    import httpx

    where, aside = without_passwords(home.settings.tracking_uri), "Training waits for it; serving does not need it."
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    user, password = (os.environ.get(name, "") for name in names)
    try:
        response = httpx.post(
            f"{home.settings.tracking_uri.rstrip('/')}/api/2.0/mlflow/experiments/search",
            json={"max_results": 1},
            auth=(user, password) if user else None,
            timeout=_TRACKING_SECONDS,
        )
    except httpx.HTTPError as failure:
        step = "Start the server, or correct TOUCHLINE_MLFLOW_TRACKING_URI."
        return CheckResult("wrong", "MLflow", f"{where} does not answer: {failure}. {step} {aside}")
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        step = f"Set {' and '.join(names)} to a user that it knows."
        return CheckResult("wrong", "MLflow", f"{where} refuses the caller ({response.status_code}). {step} {aside}")
    if not response.is_success or "json" not in response.headers.get("content-type", ""):
        step = "Look into its log, and whether the address is that of an MLflow server."
        return CheckResult("wrong", "MLflow", f"{where} answers {response.status_code}. {step} {aside}")
    return CheckResult("ok", "MLflow", where)


def _has_runs(home: Home) -> bool:
    return any(path.is_dir() for path in (home.folder / "mlartifacts").glob("*"))


def online_checks(home: Home) -> Iterator[CheckResult]:
    """Whether the online store answers, and whether its settings lose or refuse values."""
    try:
        home.main_online.read([b"touchline doctor"])
        faults = home.main_online.find_faults()
    except TouchlineError as failure:
        yield CheckResult("wrong", "online store", str(failure))
        return
    for fault in faults:
        yield CheckResult("wrong", "online store", f"{home.settings.online_store}: {fault}.")
    if not faults:
        yield CheckResult("ok", "online store", home.settings.online_store)


def object_checks(home: Home) -> Iterator[CheckResult]:
    """Whether an object store outside the home takes an object and gives it back."""
    place = home.settings.objects_url
    if place is None:
        return
    key = f"doctor/{Ulids().next()}"
    try:
        home.objects.write(key, b"touchline doctor")
        is_same = home.objects.read(key) == b"touchline doctor"
        home.objects.delete(key)
    except TouchlineError as failure:
        yield CheckResult("wrong", "objects", str(failure))
    else:
        yield CheckResult(
            "ok" if is_same else "wrong", "objects", place if is_same else f"{place} gave other bytes back"
        )
