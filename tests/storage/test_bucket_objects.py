"""What a bucket adds to an object store: copies of what is scanned, and a service that can be away."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import obstore
import pytest
from obstore.store import from_url

from touchline.errors import BackendUnavailable, InvalidSetting, ObjectNotFound
from touchline.storage import open_objects

pytestmark = pytest.mark.services


def test_two_machines_see_each_other_s_objects(bucket: str, tmp_path: Path) -> None:
    writer, reader = (open_objects(bucket, cache=tmp_path / name) for name in ("writer", "reader"))
    writer.write("nba/newest.json", b"first")
    assert reader.local_path("nba/newest.json").read_bytes() == b"first"
    writer.write("nba/newest.json", b"other")
    assert reader.local_path("nba/newest.json").read_bytes() == b"other"
    writer.delete("nba/newest.json")
    with pytest.raises(ObjectNotFound):
        reader.local_path("nba/newest.json")


def test_an_object_named_by_its_content_is_fetched_once(bucket: str, tmp_path: Path) -> None:
    data = b"rows" * 1000
    key = f"nba/{sha256(data).hexdigest()}.parquet"
    open_objects(bucket, cache=tmp_path / "writer").write(key, data)
    reader = open_objects(bucket, cache=tmp_path / "reader")
    copy = reader.local_path(key)
    obstore.delete(from_url(bucket, client_options={"allow_http": True}), key)
    assert reader.local_path(key) == copy
    assert copy.read_bytes() == data
    with pytest.raises(ObjectNotFound):
        reader.read(key)


def test_the_copy_of_a_folder_has_what_the_bucket_has_now(bucket: str, tmp_path: Path) -> None:
    writer, reader = (open_objects(bucket, cache=tmp_path / name) for name in ("writer", "reader"))
    for name in ("a", "b"):
        writer.write(f"release/model/{name}", name.encode())
    assert {path.name for path in reader.local_path("release/model").iterdir()} == {"a", "b"}
    writer.delete("release/model/a")
    writer.write("release/model/c", b"c")
    assert {path.name for path in reader.local_path("release/model").iterdir()} == {"b", "c"}


def test_large_objects_and_keys_with_signs_come_back_as_they_were(bucket: str, tmp_path: Path) -> None:
    objects, data = open_objects(bucket, cache=tmp_path / "copies"), bytes(range(256)) * 60_000
    objects.write("nba/Zürich & co = 1+1%.bin", data)
    assert objects.read("nba/Zürich & co = 1+1%.bin") == data
    assert objects.list("nba/Z") == ["nba/Zürich & co = 1+1%.bin"]


def test_a_missing_bucket_and_a_wrong_key_are_named(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackendUnavailable, match=r"s3://there-is-none is not available: it has no such bucket"):
        open_objects("s3://there-is-none", cache=tmp_path).write("a", b"x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(BackendUnavailable, match="SignatureDoesNotMatch") as refused:
        open_objects(bucket, cache=tmp_path).read("a")
    assert "wrong" not in str(refused.value)


def test_a_service_that_does_not_answer_is_named(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(BackendUnavailable, match=r"Object store s3://.* is not available"):
        open_objects(bucket, cache=tmp_path).exists("a")


@pytest.mark.parametrize("place", ["s3://key:secret@bucket/x", "s3:///x"])
def test_a_url_with_a_secret_or_without_a_bucket_is_refused(place: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        open_objects(place)
    assert "secret" not in str(refused.value)
