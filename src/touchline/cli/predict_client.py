"""Predictions for a command: one from the running server, as any other client asks, or a file's from the release."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from touchline.cli.opening import OpenedProject
from touchline.cli.processes.up import base_url
from touchline.errors import InvalidRequestField, NothingInProduction, ServerRefused, ServerUnreachable

if TYPE_CHECKING:
    import polars as pl

    from touchline.project import Project
    from touchline.registry import ServedRelease
    from touchline.registry.release.served_release import FeatureReads


def answer_one(opened: OpenedProject, fields: Sequence[str]) -> dict[str, Any]:
    """The answer to one request, given as name=value pairs, each read as the release declares the field."""
    declared = _ask(opened, "GET", "model-info").get("request", {})
    answer: dict[str, Any] = _ask(opened, "POST", "predict", dict(_pair(field, declared) for field in fields))
    return answer


def answer_file(opened: OpenedProject, file: Path, to: Path | None, say: Callable[[str], None]) -> dict[str, Any]:
    """Score every row of a CSV or Parquet file by the release in Production and write answers beside questions.

    Nothing runs over HTTP, and the answers are not part of the prediction log.
    """
    import polars as pl

    from touchline.ingest import inspect_file
    from touchline.serving import score_frame

    release, reader = _production(opened)
    say(f"reading {file.name}")
    questions = _renamed(inspect_file(file).frame, opened.project)
    told = score_frame(
        release, reader, questions, now=opened.clock.now(), tell=lambda done, of: say(f"{done:,} of {of:,} rows")
    )
    target = to or file.with_name(f"{file.stem}_predictions.csv")
    answers = told.frame.with_columns(release=pl.lit(release.id))
    clash = {name: f"predicted_{name}" for name in answers.columns if name in questions.columns}
    written = pl.concat([questions, answers.rename(clash)], how="horizontal")
    say(f"writing {target.name}")
    written.write_parquet(target) if target.suffix == ".parquet" else written.write_csv(target)
    return {"file": target, "rows": told.rows, "refused": told.refused, "release": release.id}


def _renamed(questions: pl.DataFrame, project: Project) -> pl.DataFrame:
    """Columns under the names of the contract, as ingest would read this file."""
    for source in project.task.examples.sources:
        names = getattr(source.provider, "rename", {})
        lacking = {old: new for old, new in names.items() if new not in questions.columns}
        questions = questions.rename(lacking, strict=False)
    return questions


def _production(opened: OpenedProject) -> tuple[ServedRelease, FeatureReads | None]:
    from touchline.cli.open_reader import reader_of
    from touchline.serving import JournalReleases

    name = opened.project.name
    releases = JournalReleases(name, opened.stores.database, opened.stores.objects, opened.clock)
    found = releases.head().production
    if found is None:
        raise NothingInProduction(name)
    release = releases.load(found)
    views = {view.name: view for view in opened.project.feature_views}
    return release, reader_of(opened.home, release, clock=opened.clock, declared=lambda: views)


def _pair(field: str, declared: Mapping[str, Any]) -> tuple[str, Any]:
    name, sign, value = field.partition("=")
    if not sign or not name:
        raise InvalidRequestField(field)
    schema = declared.get(name, {})
    types = {option.get("type") for option in schema.get("anyOf", [schema])}
    return name, value if types <= {"string", "null"} and "string" in types else _typed(value)


def _typed(value: str) -> Any:
    """Text as JSON reads it where it is a number, true, false or null; any other text as it is."""
    try:
        found = json.loads(value)
    except json.JSONDecodeError:
        return value
    return found if isinstance(found, int | float | bool) or found is None else value


def _ask(opened: OpenedProject, method: str, route: str, body: Any = None) -> Any:
    import httpx

    url = f"{base_url(opened.home)}/projects/{opened.project.name}/{route}"
    try:
        answer = httpx.request(method, url, json=body, timeout=60)
    except httpx.TransportError as away:
        raise ServerUnreachable(url) from away
    if answer.status_code != 200:
        raise ServerRefused(url, answer.status_code, answer.text)
    return answer.json()
