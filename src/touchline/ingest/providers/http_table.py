"""Rows from a table behind HTTP: JSON or CSV, page by page, politely."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlencode

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from touchline.contracts.json_text import parse_json
from touchline.errors import RepeatedKey, SourceFileEmpty, SourceUnavailable, UnreadableJson
from touchline.ingest.providers.base import FetchContext, Fetched, RawFile, hash_of_files, no_broken_lines
from touchline.ingest.providers.csv_text import CsvFormat, read_csv_text
from touchline.ingest.providers.files import Prepare, stacked, with_columns_named
from touchline.ingest.providers.http_client import Answer, Credentials, PoliteClient, Politeness
from touchline.ingest.providers.http_json import at_path, json_page, rows_of
from touchline.ingest.providers.http_pages import Cursor, NextLink, PageNumbers

_MOST_PAGES = 10_000


class HttpTable(BaseModel):
    """A table at a URL. Failed requests are retried with growing, jittered pauses; when the origin stays down, or the
    day's requests are spent, the last snapshot stands in and the report says so.

    Secrets stay out of the code: `header_variables` and `param_variables` name environment variables. `records` is the
    path to the list of rows in a JSON answer (`data.items`). Budgets count per source and UTC day.

    >>> HttpTable(url="https://example.org/games.json", daily_requests=100).retries
    4
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    url: str
    format: Literal["json", "csv"] | None = Field(None, description="from the answer's content type when not given")
    params: dict[str, str] = Field(default_factory=dict)
    param_variables: dict[str, str] = Field(default_factory=dict, description="parameter -> environment variable")
    headers: dict[str, str] = Field(default_factory=dict)
    header_variables: dict[str, str] = Field(default_factory=dict, description="header -> environment variable")
    records: str = ""
    total: str = Field("", description="path to the number of all rows in a JSON answer; other counts are refused")
    pages: PageNumbers | NextLink | Cursor | None = None
    timeout_seconds: float = Field(30, gt=0)
    retries: int = Field(4, ge=0)
    backoff_seconds: float = Field(0.5, gt=0)
    longest_wait_seconds: float = Field(120, gt=0, description="a longer Retry-After counts as down")
    requests_per_second: float | None = Field(None, gt=0)
    daily_requests: int | None = Field(None, gt=0)
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("", "NA", "NaN", "null", "NULL")
    rename: dict[str, str] = Field(default_factory=dict, description="source column -> contract field")
    ignore: tuple[str, ...] = ()
    prepare: Prepare | None = None

    def __init__(self, *urls: str, **fields: Any) -> None:
        super().__init__(**({"url": urls[0]} if urls else {}), **fields)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} does not begin with http:// or https://")
        return url

    def fetch(self, context: FetchContext) -> Fetched:
        frames: list[pl.DataFrame] = []
        files: list[RawFile] = []
        broken: list[pl.DataFrame] = []
        politeness = Politeness(
            retries=self.retries,
            backoff_seconds=self.backoff_seconds,
            longest_wait_seconds=self.longest_wait_seconds,
            requests_per_second=self.requests_per_second,
            daily_requests=self.daily_requests,
        )
        secrets = self._from_environment(self.header_variables, context)
        hidden = urlencode(self._from_environment(self.param_variables, context))
        credentials = Credentials(self.url, secrets, hidden)
        with PoliteClient(
            context, politeness, credentials, headers=self.headers, timeout_seconds=self.timeout_seconds
        ) as client:
            for answer in self._answers(client):
                frame, lines = self._rows(answer, client, context)
                frames.append(frame)
                broken.append(lines)
                files.append(answer.file)
                self._check_pages(answer, files, frames, client)
            frame = with_columns_named(stacked(frames, row_column=None), self, context.columns)
            message = client.message()
        return Fetched(
            frame, tuple(files), hash_of_files(tuple(files)), client.request_count, message, pl.concat(broken)
        )

    def _answers(self, client: PoliteClient) -> Iterator[Answer]:
        """The pages, one after the other; a row-less page ends a numbered sequence."""
        url = _with_params(self.url, self.params)
        # An unchanged answer (304) may leave out the header that names the next page.
        in_body = not isinstance(self.pages, NextLink) or self.pages.path is not None
        if isinstance(self.pages, PageNumbers):
            url = _with_params(url, self.pages.params(0))
        for number in range(1, _MOST_PAGES + 1):
            answer = client.get(url, use_cache=in_body)
            yield answer
            following = None if self.pages is None else self._next(answer, number, client)
            if following is None:
                return
            url = following
        raise client.broken(f"it has more than {_MOST_PAGES} pages")

    def _check_pages(
        self, answer: Answer, files: list[RawFile], frames: list[pl.DataFrame], client: PoliteClient
    ) -> None:
        """Refuse a page that came before, and a last page with which the rows are not as many as the origin counts.

        Half a table would otherwise take the place of the whole one.
        """
        if frames[-1].height and files[-1].sha256 in {file.sha256 for file in files[:-1]}:
            raise client.broken(f"its page {len(files)} is the same as an earlier one")
        if self.total and self._is_json(answer):
            body = self._json(answer, client)
            expected, rows = at_path(body, self.total), sum(frame.height for frame in frames)
            is_last = self.pages is None or self._next(answer, len(files), client) is None
            if not isinstance(expected, int) or (is_last and rows != expected):
                raise client.broken(f"its pages have {rows} rows, and {self.total!r} is {expected}")

    def _next(self, answer: Answer, number: int, client: PoliteClient) -> str | None:
        body = self._json(answer, client) if self._is_json(answer) else None
        base = _with_params(self.url, self.params)
        if isinstance(self.pages, PageNumbers):
            rows = len(json_page(body, self.records)) if body is not None else answer.body.count(b"\n") - 1
            return None if rows < self.pages.least_rows else _with_params(base, self.pages.params(number))
        if isinstance(self.pages, NextLink):
            return self.pages.following(answer, body)
        token = self.pages.token(body) if isinstance(self.pages, Cursor) else None
        return (
            None
            if token is None or not isinstance(self.pages, Cursor)
            else _with_params(base, {self.pages.param: token})
        )

    def _rows(self, answer: Answer, client: PoliteClient, context: FetchContext) -> tuple[pl.DataFrame, pl.DataFrame]:
        if self._is_json(answer):
            try:
                return rows_of(json_page(self._json(answer, client), self.records)), no_broken_lines()
            except (KeyError, TypeError) as missing:
                raise client.broken(f"its answer has no list of records at {self.records or 'the top'!r}") from missing
        if "html" in answer.content_type:
            raise client.broken(f"it answered {answer.content_type}, neither JSON nor CSV")
        form = CsvFormat(self.delimiter, self.encoding, self.null_values, frozenset({*context.columns, *self.rename}))
        try:
            rows = read_csv_text(answer.body, form, name=answer.file.name, table=context.table)
        except SourceFileEmpty as empty:
            raise client.broken("its answer is empty") from empty
        return rows.frame, rows.broken

    def _is_json(self, answer: Answer) -> bool:
        if self.format is not None:
            return self.format == "json"
        return "json" in answer.content_type or answer.body.lstrip()[:1] in (b"[", b"{")

    @staticmethod
    def _json(answer: Answer, client: PoliteClient) -> Any:
        try:
            return parse_json(answer.body)
        except RepeatedKey as repeated:
            raise client.broken(f"its answer has the key {repeated.key!r} twice in one object") from repeated
        except UnreadableJson as wrong:
            shown = answer.content_type or "something"
            raise client.broken(f"it answered {shown} that is not JSON ({wrong.reason})") from wrong

    @staticmethod
    def _from_environment(variables: Mapping[str, str], context: FetchContext) -> dict[str, str]:
        missing = [variable for variable in variables.values() if not os.environ.get(variable)]
        if missing:
            raise SourceUnavailable(
                context.table, f"the environment variable {missing[0]} is not set", "Set it and run again."
            )
        return {name: os.environ[variable] for name, variable in variables.items()}


def _with_params(url: str, params: Mapping[str, str]) -> str:
    if not params:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"
