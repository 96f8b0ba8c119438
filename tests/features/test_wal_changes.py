"""What small reads remember is never older than the last commit, whoever made it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

from tests.features.test_online_stores import packed
from touchline.features.online.sqlite import SqliteOnlineStore
from touchline.features.online.wal_changes import WalChanges
from touchline.features.vectors.packed_row import stamps

_WRITE = """
import sys
from touchline.features.vectors.packed_row import Layout
from touchline.features.online.sqlite import SqliteOnlineStore
layout = Layout("form", [("elo", "float")])
store = SqliteOnlineStore(sys.argv[1])
for event in range(1, 301):
    store.write([(key, layout.pack(event, event, (float(event),))) for key in (b"a", b"b", b"c")])
    print(event, flush=True)
"""


def _queries(store: SqliteOnlineStore) -> list[str]:
    """Every statement that this thread's connection runs from here on."""
    asked: list[str] = []
    store._connection().set_trace_callback(asked.append)
    return asked


def test_what_was_read_is_remembered_until_another_store_commits(tmp_path: Path) -> None:
    ours, theirs = (SqliteOnlineStore(tmp_path / "online.db") for _ in range(2))
    theirs.write([(b"a", packed(1))])
    assert ours.read([b"a", b"none"]) == [packed(1), None]
    asked = _queries(ours)
    assert ours.read([b"none", b"a"]) == [None, packed(1)]
    assert asked == []
    theirs.write([(b"none", packed(2))])
    assert ours.read([b"a", b"none"]) == [packed(1), packed(2)]
    theirs.delete_keys([b"a"])
    assert ours.read([b"a", b"none"]) == [None, packed(2)]
    assert len(asked) == 2
    ours.close()
    theirs.close()


def test_a_reader_never_lags_behind_another_process(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    ours = SqliteOnlineStore(path)
    ours.write([(b"a", packed(0))])
    with subprocess.Popen([sys.executable, "-c", _WRITE, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        seen = 0
        for line in writer.stdout:  # told after the commit: from here on nobody may read less
            (event,) = _events(ours, b"a")
            assert event >= max(seen, int(line))
            seen = event
    assert seen == 300
    ours.close()


def test_what_is_known_and_what_is_found_are_of_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    ours = SqliteOnlineStore(path)
    ours.write([(key, packed(0)) for key in (b"a", b"b", b"c")])
    with subprocess.Popen([sys.executable, "-c", _WRITE, str(path)], stdout=subprocess.DEVNULL) as writer:
        while writer.poll() is None:
            _events(ours, b"a")
            _events(ours, b"b")
            # a and b are known now, c is not; each commit changes all three together
            assert len(set(_events(ours, b"a", b"c", b"b"))) == 1
    assert _events(ours, b"a", b"b", b"c") == [300] * 3
    ours.close()


def _events(store: SqliteOnlineStore, *keys: bytes) -> list[int]:
    return [stamps(value)[0] for value in store.read(keys) if value is not None]


def test_threads_remember_for_themselves(tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    store.write([(b"a", packed(1))])
    found: list[list[bytes | None]] = []
    threads = [threading.Thread(target=lambda: found.extend(store.read([b"a"]) for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[packed(1)]] * 200
    store.close()


def test_no_more_is_remembered_than_allowed(tmp_path: Path) -> None:
    for limit, statements in ((0, 4), (2, 3), (3, 2)):
        store = SqliteOnlineStore(tmp_path / f"{limit}.db", remember=limit)
        store.write([(key, packed(1)) for key in (b"a", b"b", b"c")])
        asked = _queries(store)
        for keys in ([b"a", b"b"], [b"c"], [b"c"], [b"a", b"b"]):
            assert store.read(keys) == [packed(1)] * len(keys)
        assert len(asked) == statements
        store.close()


def test_a_commit_under_way_and_a_file_without_an_index_cannot_be_told(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    assert WalChanges(path).state() is None
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    changes = WalChanges(path)
    before = changes.state()
    assert before is not None
    connection.execute("INSERT INTO t VALUES (1)")
    assert changes.state() == before  # not committed yet
    connection.commit()
    assert changes.state() not in (None, before)
    torn = tmp_path / "torn-shm"
    torn.write_bytes(b"a" * 48 + b"b" * 48)
    assert WalChanges(tmp_path / "torn").state() is None
    connection.close()


_IS_LOCKED = """
import fcntl, struct, sys
with open(sys.argv[1], "r+b") as index:
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 128, 1, 0)
    kind, *_, holder = struct.unpack("hhqqi4x", fcntl.fcntl(index, fcntl.F_GETLK, asked))
print(kind != fcntl.F_UNLCK and holder)
"""


def test_watching_a_file_leaves_sqlite_its_locks(tmp_path: Path) -> None:
    """Byte 128 says that a connection lives; without that lock the next process makes the index anew under ours."""
    first, second = (SqliteOnlineStore(tmp_path / "online.db") for _ in range(2))
    first.write([(b"a", packed(1))])
    assert second.read([b"a"]) == first.read([b"a"]) == [packed(1)]
    second.close()
    asked = [sys.executable, "-c", _IS_LOCKED, str(tmp_path / "online.db-shm")]
    assert subprocess.check_output(asked, text=True).strip() == str(os.getpid())
    first.close()


def test_an_index_that_sqlite_has_deleted_is_closed(tmp_path: Path) -> None:
    for number in range(3):
        store = SqliteOnlineStore(tmp_path / "online.db")
        store.write([(b"a", packed(number))])
        assert store.read([b"a"]) == store.read([b"a"]) == [packed(number)]
        store.close()
        assert not (tmp_path / "online.db-shm").exists()
    kept = [handle for handle in Path("/proc/self/fd").iterdir() if _leads_to(handle, str(tmp_path))]
    assert len(kept) <= 2  # the last one's, and its map's


def _leads_to(handle: Path, folder: str) -> bool:
    try:
        return str(handle.readlink()).startswith(folder)
    except FileNotFoundError:  # of the listing itself
        return False
