"""Many rows: jobs over HTTP, frames in bulk, the log exported and pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
import sqlalchemy as sa

from tests.serving.builders import (
    NOW,
    Logit,
    Ratings,
    Server,
    Shelf,
    a_match_release,
    a_release,
    a_server,
    wait_for,
)
from tests.serving.bundles import a_model
from tests.storage.children import start, wait_for_line
from touchline.errors import FeaturesExpired, MissingColumns
from touchline.features import ColumnSpec, FeatureRows
from touchline.features.vectors.columns import Vectors
from touchline.http.problems import JobTooLarge
from touchline.registry import InputField
from touchline.serving import score_frame
from touchline.serving.http.jobs import Jobs, rows_of
from touchline.storage.tables import predictions
from touchline.training import PredictionInterval

pytestmark = pytest.mark.services


def _count(server: Server) -> int:
    with server.database.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(predictions)) or 0


def test_a_job_answers_every_row_and_refuses_those_that_do_not_fit(tmp_path: Path) -> None:
    rows = [{"age": index % 100} for index in range(450)] + [{"age": 300}]
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        job = server.client.post("/predict/jobs", json=rows)
        assert job.status_code == 202
        where = f"/predict/jobs/{job.json()['id']}"
        done = wait_for(lambda: (found := server.client.get(where).json())["state"] == "done" and found)
        assert (done["done"], done["refused"]) == (451, 1)
        lines = [orjson.loads(line) for line in server.client.get(f"{where}/result").text.splitlines()]
        assert lines[7]["probabilities"] == server.client.post("/predict", json=rows[7]).json()["probabilities"]
        assert lines[-1]["problem"]["errors"][0]["field"] == "age"
        wait_for(lambda: _count(server) == 451)


def test_a_job_goes_on_where_a_kill_stopped_it(tmp_path: Path) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        jobs = Jobs(tmp_path / "others", server.serving)
        job = jobs.submit("shop", [b'{"age": 1}', b'{"age": 2}', b'{"age": 3}'])
        (tmp_path / "others" / job.id / "result.jsonl").write_bytes(b'{"first": 1}\n{"torn')
        jobs.start()
        wait_for(lambda: jobs.find("shop", job.id).state == "done")
        jobs.stop()
        lines = jobs.result("shop", job.id).read_bytes().splitlines()
        assert (len(lines), lines[0]) == (3, b'{"first": 1}')


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
from types import SimpleNamespace
from touchline.http.problems import Problem
from touchline.serving.http.jobs import Jobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = Path(sys.argv[1])
jobs = Jobs(folder, SimpleNamespace())
try:
    jobs.submit("shop", (b'{"age": 3}' for _ in range(50_000)))
except Problem as problem:
    print(problem.status, problem.detail, jobs.jobs(), list(folder.iterdir()), flush=True)
"""


def test_a_job_that_the_disk_does_not_take_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    child = start(FILL_THE_DISK, str(tmp_path))
    line = wait_for_line(child)
    child.communicate()
    assert line.startswith(f"503 No space left to write the job in {tmp_path}. ")
    assert line.endswith(" [] []")


def test_jobs_that_cannot_be_worked_off_here_harm_no_other(tmp_path: Path) -> None:
    """A damaged status, a project that another server serves, and a folder that is no job."""
    folder = tmp_path / "others"
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        jobs = Jobs(folder, server.serving)
        damaged, elsewhere, job = (jobs.submit(name, [b'{"age": 1}']) for name in ("shop", "leads", "shop"))
        (folder / damaged.id / "status.json").write_bytes(b"[]")
        (folder / "notes").mkdir()
        (folder / "notes" / "status.json").write_bytes(b"{}")
        jobs.start()
        wait_for(lambda: jobs.find("shop", job.id).state == "done")
        assert "status file is damaged" in jobs.find("shop", damaged.id).message
        assert jobs.find("leads", elsewhere.id).state == "waiting"
        jobs.stop()
        for unknown in ("A" * 300, "\u00e9" * 26):
            assert server.client.get(f"/predict/jobs/{unknown}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"[]", b"{}", b"{", b"7", b"[{}", b"[{},", b"[{}] x", b"[{} {}]", b"[{},]", b"\xff", b"[" * 9000],
)
def test_a_job_is_a_list_of_rows(tmp_path: Path, body: bytes) -> None:
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        assert server.client.post("/predict/jobs", content=body).status_code in (400, 422)
        assert not list((tmp_path / "jobs").glob("*"))
        assert server.client.get("/predict/jobs/nothing").status_code == 404
        assert server.client.get("/predict/jobs/../../x").status_code == 404


def test_rows_of_a_job_come_as_a_list_or_one_a_line() -> None:
    rows = [b'{"a": "x,]\\n"}', b'{"b": [1, {}]}']
    assert list(rows_of(b" [ " + b" ,\n".join(rows) + b" ]\n", 2)) == rows
    assert list(rows_of(b"\n".join(rows) + b"\n", 2, is_list=False)) == rows
    with pytest.raises(JobTooLarge, match="1 rows at most"):
        list(rows_of(b"\n".join(rows), 1, is_list=False))


def test_a_frame_of_text_is_read_as_the_fields_declare() -> None:
    fields = (
        InputField("age", {"type": "integer", "minimum": 0}),
        InputField("colour", {"type": "string", "maxLength": 4, "default": "red"}, is_required=False),
        InputField("member", {"type": "boolean"}),
        InputField("level", {"enum": [1, 2]}),
    )
    columns = (ColumnSpec("age", "number"), ColumnSpec("member", "number"), ColumnSpec("level", "category", ("1", "2")))
    release = a_release(inputs=fields, columns=columns, example=None)
    rows = [
        ("3", None, "True", "1", None),
        ("3.5", "red", "false", "1", "age: not a whole number"),
        ("-1", "red", "false", "1", "age: minimum is 0"),
        ("3", "purple", "false", "1", "colour: not text as declared"),
        ("3", "red", "1", "1", "member: not true or false"),
        ("3", "red", "true", "3", "level: not one of 1, 2"),
        (None, "red", "true", "2", "age: missing"),
        ("inf", "red", "true", "2", "age: not a whole number"),
        ("-1", "purple", "1", "1", "age: minimum is 0; colour: not text as declared; member: not true or false"),
    ]
    frame = pl.DataFrame(rows, schema=["age", "colour", "member", "level", "expected"], orient="row")
    found = score_frame(release, None, frame, now=NOW).frame
    assert found["problem"].to_list() == frame["expected"].to_list()
    assert found["p_yes"][0] == Logit().predict(np.array([[3.0, 1.0, 0.0]]))[0, 0]
    assert found["p_yes"].null_count() == 8


def test_a_frame_of_keys_is_looked_up_and_one_stale_row_does_not_stop_the_others() -> None:
    class Picky(Ratings):
        def read(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> FeatureRows:
            if any(row["home_team"] == "stale" for row in rows):
                raise FeaturesExpired("form", "stale", "missing", "none to be missing")
            return super().read(rows, cutoffs)

    frame = pl.DataFrame({"home_team": ["A", "stale", None], "away_team": ["B", "B", "B"], "cutoff": [None, "", None]})
    found = score_frame(a_match_release(), Picky({"A": 1.0, "B": 2.0}), frame.with_columns(cutoff=None), now=NOW).frame
    assert found["p_yes"][0] == Logit().predict(np.array([[1.0, 2.0]]))[0, 0]
    assert "stale" in found["problem"][1]
    assert found["problem"][2] == "home_team: missing; an entity key is needed"


def test_a_refused_row_costs_few_further_reads() -> None:
    sizes = []

    class Counted(Ratings):
        def read(self, rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[datetime]) -> FeatureRows:
            sizes.append(len(rows))
            if any(row["home_team"] == "stale" for row in rows):
                raise FeaturesExpired("form", "stale", "missing", "none to be missing")
            return super().read(rows, cutoffs)

    names = ["stale" if place == 700 else "A" for place in range(1_024)]
    frame = pl.DataFrame({"home_team": names, "away_team": ["B"] * len(names)})
    found = score_frame(a_match_release(), Counted({"A": 1.0, "B": 2.0}), frame, now=NOW).frame
    assert found["problem"].is_not_null().arg_true().to_list() == [700]
    assert found["p_yes"].is_null().arg_true().to_list() == [700]
    # The whole, and the two halves of each of ten halvings.
    assert len(sizes) == 21


def test_a_frame_gets_the_answers_that_requests_get(tmp_path: Path) -> None:
    frame = pl.DataFrame({"age": [30.0, None, 130.0, 4.0], "colour": ["red", "red", "blue", None]})
    found = score_frame(a_release(), None, frame, now=NOW)
    assert found.refused == 2
    assert found.frame["problem"].to_list() == [None, "age: missing", "age: maximum is 120", None]
    with a_server(tmp_path, Shelf.of(a_release())) as server:
        for index in (0, 3):
            row = {name: value for name, value in frame.row(index, named=True).items() if value is not None}
            said = server.client.post("/predict", json=row).json()["probabilities"]
            assert found.frame["p_yes"][index] == said["yes"]


def test_a_frame_is_scored_in_parts_and_misses_no_column() -> None:
    model = a_model()
    release = a_release(
        columns=model.columns,
        model=model,
        classes=model.classes,
        inputs=tuple(InputField(column.name, {"type": "number"}) for column in model.columns),
        example=None,
    )
    frame = pl.DataFrame({f"x{index}": [0.5] * 120_000 for index in range(4)})
    told: list[tuple[int, int]] = []
    found = score_frame(release, None, frame, now=NOW, on_progress=lambda done, of: told.append((done, of)))
    assert (found.rows, found.refused) == (120_000, 0)
    assert told == [(50_000, 120_000), (100_000, 120_000), (120_000, 120_000)]
    with pytest.raises(MissingColumns, match="'x3' missing"):
        score_frame(release, None, frame.drop("x3"), now=NOW)


class _Line:
    """A regression that knows how far it may be off."""

    interval = PredictionInterval((2.5,), (), 0.9, 100)

    def predict(self, vectors: Vectors) -> Vectors:
        return vectors[:, :1] * 2.0


def test_a_value_comes_with_its_interval_over_http_in_bulk_and_in_the_log(tmp_path: Path) -> None:
    release = a_release(task="regression", model=_Line(), classes=())
    said = {"value": 60.0, "interval": {"low": 57.5, "high": 62.5, "coverage": 0.9}}
    with a_server(tmp_path, Shelf.of(release)) as server:
        answer = server.client.post("/predict", json={"age": 30}).json()
        assert {name: answer[name] for name in said} == said
        wait_for(lambda: _count(server) == 1)
        with server.database.connect() as connection:
            assert connection.scalar(sa.select(predictions.c.output)) == said
        schema = server.client.get("/openapi.json").json()["components"]["schemas"]["Interval"]
        assert schema["required"] == ["low", "high", "coverage"]
    found = score_frame(release, None, pl.DataFrame({"age": [30.0, None]}), now=NOW).frame
    assert found.select("value", "low", "high").rows() == [(60.0, 57.5, 62.5), (None, None, None)]
