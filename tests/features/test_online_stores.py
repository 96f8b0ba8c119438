from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from touchline.errors import OnlineStoreUnavailable, UnknownPlugin
from touchline.features import OnlineStore, open_online_store
from touchline.features.packed import Layout

LAYOUT = Layout("form", [("elo", "float")])


def packed(event: int, elo: float = 1.0, created: int | None = None) -> bytes:
    return LAYOUT.pack(event, event if created is None else created, (elo,))


def test_what_is_written_is_read_in_the_order_asked(online_store: OnlineStore) -> None:
    online_store.write([(b"a", packed(1)), (b"b", packed(2))], {b"mark": b"m"})
    assert online_store.read([b"b", b"none", b"a", b"b", b"mark"]) == [packed(2), None, packed(1), packed(2), b"m"]


def test_the_newest_value_wins_whatever_order_batches_come_in(online_store: OnlineStore) -> None:
    assert online_store.write([(b"a", packed(5)), (b"b", packed(-9))]) == 2
    assert online_store.write([(b"a", packed(4)), (b"b", packed(1))]) == 1
    assert online_store.write([(b"a", packed(5, created=6))]) == 1
    assert online_store.read([b"a", b"b"]) == [packed(5, created=6), packed(1)]


def test_the_same_value_again_changes_nothing(online_store: OnlineStore) -> None:
    online_store.write([(b"a", packed(5))])
    assert online_store.write([(b"a", packed(5))]) == 0


def test_a_value_restated_under_the_same_stamps_replaces(online_store: OnlineStore) -> None:
    online_store.write([(b"a", packed(5, elo=1))])
    assert online_store.write([(b"a", packed(5, elo=2))]) == 1


def test_a_prefix_takes_away_its_keys_and_no_others(online_store: OnlineStore) -> None:
    online_store.write([(b"tl:p:form:1:A", packed(1)), (b"tl:p:form:1:B", packed(1)), (b"tl:p:form:12:A", packed(1))])
    assert online_store.size(b"tl:p:form:1:").rows == 2
    assert online_store.delete(b"tl:p:form:1:") == 2
    assert online_store.read([b"tl:p:form:1:A", b"tl:p:form:12:A"]) == [None, packed(1)]


def test_a_prefix_with_signs_of_a_pattern_means_itself(online_store: OnlineStore) -> None:
    online_store.write([(b"tl:p*", packed(1)), (b"tl:pq", packed(1))])
    assert online_store.delete(b"tl:p*") == 1


def test_ten_thousand_keys_are_one_read(online_store: OnlineStore) -> None:
    keys = [f"k{number}".encode() for number in range(35_000)]
    online_store.write((key, packed(number)) for number, key in enumerate(keys))
    assert online_store.read(keys)[-1] == packed(34_999)


def test_readers_never_see_half_a_write(tmp_path: Path) -> None:
    store = open_online_store("sqlite", str(tmp_path / "online.db"))
    keys = [b"a", b"b", b"c"]
    store.write([(key, packed(0)) for key in keys])
    seen: list[set[bytes | None]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(set(store.read(keys)))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 60):
        store.write([(key, packed(number)) for key in keys])
    stop.set()
    reader.join()
    store.close()
    assert all(len(values) == 1 for values in seen)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    store = open_online_store("sqlite", str(tmp_path / "online.db"))
    store.write([(b"a", packed(1))])

    def broken() -> object:
        yield b"a", packed(2)
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        store.write(broken())  # type: ignore[arg-type]  # a generator that fails
    assert store.read([b"a"]) == [packed(1)]
    store.close()


def test_a_redis_that_refuses_is_named_within_the_wait() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    store = open_online_store("redis", f"redis://:secret@127.0.0.1:{port}")
    with pytest.raises(OnlineStoreUnavailable, match=f"redis://127.0.0.1:{port} did not answer") as failure:
        store.read([b"a"])
    assert "secret" not in str(failure.value)
    store.close()


def test_a_redis_that_hangs_is_waited_for_no_longer_than_allowed_and_then_left_alone() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        store = open_online_store("redis", f"redis://127.0.0.1:{mute.getsockname()[1]}", timeout_seconds=0.05)
        started = time.perf_counter()
        with pytest.raises(OnlineStoreUnavailable, match=r"within 0\.05 s"):
            store.read([b"a"])
        with pytest.raises(OnlineStoreUnavailable, match="not asked again yet"):
            store.read([b"a"])
        assert time.perf_counter() - started < 2  # bounded, whatever else the machine does
        store.close()


def test_an_unknown_store_names_the_installed_ones() -> None:
    with pytest.raises(UnknownPlugin, match="Did you mean 'redis'"):
        open_online_store("reddis", "")
