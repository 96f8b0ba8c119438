from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.children import kill, start, wait_for_line
from touchline.errors import BackendUnavailable, InvalidObjectKey, ObjectNotFound, UnknownPlugin
from touchline.storage import ObjectStore, open_objects

KEY = "nba/raw/1"

WRITE_FOREVER = """
import itertools, sys
from touchline.storage import open_objects
store = open_objects(sys.argv[1])
for n in itertools.count():
    store.write(f"nba/raw/{n % 3}", bytes([n % 256]) * 4_000_000)
    print(n, flush=True)
"""

WRITE_WITH_LITTLE_ROOM = """
import resource, signal, sys
from touchline.errors import DiskFull
from touchline.storage import open_objects
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    open_objects(sys.argv[1]).write("nba/raw/1", b"x" * 2000)
except DiskFull as full:
    print(full, flush=True)
"""


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """A store of each kind; a new kind adds its name here."""
    if request.param == "s3":
        return open_objects(request.getfixturevalue("bucket") + "/objects", cache=tmp_path_factory.mktemp("copies"))
    return open_objects(f"{request.param}://{tmp_path}/objects")


def test_what_is_written_is_what_is_read(store: ObjectStore) -> None:
    store.write(KEY, b"tip-off")
    assert store.read(KEY) == b"tip-off"
    assert store.exists(KEY)
    assert store.local_path(KEY).read_bytes() == b"tip-off"


def test_a_file_is_stored_as_a_copy(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "games.csv"
    source.write_bytes(b"a,b\n")
    store.write_file(KEY, source)
    source.write_bytes(b"changed")
    assert store.read(KEY) == b"a,b\n"


def test_the_same_bytes_again_change_nothing(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "games.csv"
    source.write_bytes(b"tip-off")
    store.write(KEY, b"tip-off")
    before = store.local_path(KEY).stat()
    store.write(KEY, b"tip-off")
    store.write_file(KEY, source)
    assert store.local_path(KEY).stat().st_ino == before.st_ino


def test_other_bytes_replace_the_object_whole(store: ObjectStore) -> None:
    store.write(KEY, b"first half")
    reader = store.local_path(KEY).open("rb")
    store.write(KEY, b"second")
    with reader:
        assert reader.read() == b"first half"
    assert store.read(KEY) == b"second"


def test_keys_are_listed_by_how_they_begin(store: ObjectStore) -> None:
    for key in ("nba/raw/12", "nba/raw/1", "nba/rawest/1", "leads/raw/1"):
        store.write(key, b"")
    assert store.list("nba/raw/1") == ["nba/raw/1", "nba/raw/12"]
    assert store.list("nba/raw") == ["nba/raw/1", "nba/raw/12", "nba/rawest/1"]
    assert store.list("nba/raw/") == ["nba/raw/1", "nba/raw/12"]
    assert store.list("nobody/") == []
    assert len(store.list()) == 4


def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: ObjectStore) -> None:
    store.write(KEY, b"x")
    store.delete(KEY)
    store.delete(KEY)
    assert not store.exists(KEY)


def test_a_folder_of_objects_can_be_scanned_but_is_no_object(store: ObjectStore) -> None:
    store.write("nba/raw/1", b"x")
    assert [path.name for path in store.local_path("nba/raw").iterdir()] == ["1"]
    assert not store.exists("nba/raw")


@pytest.mark.parametrize("read", ["read", "local_path"])
def test_an_absent_object_is_named(store: ObjectStore, read: str) -> None:
    store.write(KEY, b"x")
    for absent in ("nba/raw/2", "nba/raw/1/deeper"):
        with pytest.raises(ObjectNotFound, match=f"No object '{absent}'"):
            getattr(store, read)(absent)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "nba/../../x", "nba//x", "nba/.", "nba\\x", "nba/\0", "x/"])
def test_a_key_can_not_leave_the_store(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidObjectKey, match="cannot name an object"):
        store.write(key, b"x")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(key=st.text(alphabet="a./\\\0~ ", max_size=12))
def test_whatever_the_key_nothing_is_written_outside(tmp_path: Path, key: str) -> None:
    with suppress(InvalidObjectKey, BackendUnavailable):
        open_objects(tmp_path / "objects").write(key, b"x")
    assert [path.name for path in tmp_path.iterdir()] in (["objects"], [])


def test_the_place_of_unfinished_files_can_not_be_named(store: ObjectStore) -> None:
    with pytest.raises(InvalidObjectKey):
        store.write(".partial/1", b"x")
    store.write(".partially/1", b"x")


def test_an_unknown_kind_of_store_lists_the_installed_ones() -> None:
    with pytest.raises(UnknownPlugin, match=r"'ftp'.*file"):
        open_objects("ftp://somewhere")


def test_a_url_may_hold_a_space(tmp_path: Path) -> None:
    open_objects(f"file://{tmp_path}/two%20words").write(KEY, b"x")
    assert (tmp_path / "two words" / KEY).exists()


@pytest.mark.parametrize("after", range(1, 6))
def test_a_killed_writer_leaves_no_half_object(tmp_path: Path, after: int) -> None:
    child = start(WRITE_FOREVER, str(tmp_path))
    for _ in range(after):
        wait_for_line(child)
    kill(child)
    store = open_objects(tmp_path)
    for key in store.list():
        data = store.read(key)
        assert data == data[:1] * 4_000_000


def test_what_a_killed_writer_left_is_swept_and_a_living_writers_file_is_not(tmp_path: Path) -> None:
    import fcntl

    partial = tmp_path / ".partial"
    partial.mkdir()
    (partial / "left").write_bytes(b"half")
    with (partial / "living").open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        open_objects(tmp_path).write(KEY, b"x")
        assert [path.name for path in partial.iterdir()] == ["living"]


def test_a_full_disk_says_so_and_keeps_the_old_object(tmp_path: Path) -> None:
    store = open_objects(tmp_path)
    store.write(KEY, b"old")
    child = start(WRITE_WITH_LITTLE_ROOM, str(tmp_path))
    assert wait_for_line(child).startswith(f"No space left to write 1 in {tmp_path}/nba/raw. What was stored before")
    child.communicate()
    assert store.read(KEY) == b"old"
    assert list((tmp_path / ".partial").iterdir()) == []


def test_a_place_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BackendUnavailable, match=r"Object store .*file is not available: .*name another one"):
        open_objects(tmp_path / "file").write(KEY, b"x")
