"""What a bucket adds to an object store: copies of what is scanned, and a service that can be away."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import obstore
import pytest
from obstore.store import from_url

from touchline.errors import BackendUnavailable, InvalidSetting, ObjectNotFound, UnknownPlugin
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


_NOBODY = "http://127.0.0.1:1/"
_CLOUD_VARIABLES = ("AWS_", "GOOGLE_", "GCE_", "AZURE_", "IDENTITY_")


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without the variables of any cloud, on a machine that has no identity in one."""
    for name in [name for name in os.environ if name.startswith(_CLOUD_VARIABLES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", _NOBODY)
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", _NOBODY)
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    return monkeypatch


@pytest.mark.parametrize(
    ("place", "variable"),
    [
        ("s3://models/shop", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("gs://models/shop", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("abfss://models@account.dfs.core.windows.net/shop", "AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
@pytest.mark.usefixtures("no_credentials")
def test_missing_credentials_are_named_for_each_cloud(place: str, variable: str, tmp_path: Path) -> None:
    objects = open_objects(f"{place}/", cache=tmp_path)
    with pytest.raises(BackendUnavailable, match=f"{place} is not available: .*no credentials.* Set {variable}"):
        objects.write("a", b"x")


def test_credentials_that_cannot_be_read_are_named_with_their_variable(
    no_credentials: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(
        InvalidSetting, match=r"Account must be specified; .* AZURE_STORAGE_ACCOUNT_NAME and AZURE_STOR"
    ):
        open_objects("az://models/shop", cache=tmp_path)
    no_credentials.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    no_credentials.setenv("AZURE_STORAGE_ACCOUNT_KEY", "no base64!")
    with pytest.raises(InvalidSetting, match="Invalid Access Key") as refused:
        open_objects("az://models/shop", cache=tmp_path)
    assert "no base64" not in str(refused.value)
    no_credentials.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    with pytest.raises(InvalidSetting, match=r"account\.json.*GOOGLE_APPLICATION_CREDENTIALS"):
        open_objects("gs://models/shop", cache=tmp_path)


@pytest.mark.parametrize(
    ("place", "near"), [("gcs://models", "gs"), ("s3a://models", "s3"), ("abfs://models", "abfss")]
)
def test_a_scheme_of_other_tools_names_ours(place: str, near: str) -> None:
    with pytest.raises(UnknownPlugin, match=f"Did you mean '{near}'"):
        open_objects(place)


@pytest.mark.parametrize("place", ["s3://key:secret@bucket/x", "s3:///x", "gs://"])
def test_a_url_with_a_secret_or_without_a_bucket_is_refused(place: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        open_objects(place)
    assert "secret" not in str(refused.value)
