from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from touchline.errors import OnlineStoreUnavailable, UnknownPlugin
from touchline.features import OnlineStore, open_online_store
from touchline.features.vectors.packed_row import Layout

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


def test_what_another_connection_wrote_is_in_the_next_read(online_store: OnlineStore) -> None:
    seen: list[bytes | None] = []
    for number in range(50):
        writer = threading.Thread(target=online_store.write, args=([(b"a", packed(number))],))
        writer.start()
        writer.join()
        seen += online_store.read([b"a"])
    assert seen == [packed(number) for number in range(50)]


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
    with pytest.raises(OnlineStoreUnavailable, match=f"redis://127.0.0.1:{port} cannot be read: .*refused") as failure:
        store.read([b"a"])
    assert "secret" not in str(failure.value)
    store.close()


def test_a_redis_that_hangs_is_waited_for_no_longer_than_allowed_and_then_left_alone() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        store = open_online_store("redis", address, timeout_seconds=0.05, pause_seconds=600.0)
        with pytest.raises(OnlineStoreUnavailable, match=r"within 0\.05 s"):
            store.read([b"a"])
        with pytest.raises(OnlineStoreUnavailable, match="not asked again yet"):
            store.read([b"a"])
        store.close()


@contextmanager
def a_server_that_says(*answers: bytes) -> Iterator[str]:
    """A stand-in for Redis: one answer for each command after the client's greetings, then the connection ends."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            left = list(answers)
            with listening.accept()[0] as channel:
                while left:
                    asked = channel.recv(65536)
                    if not asked:
                        return
                    channel.sendall(left.pop(0) if b"MGET" in asked else b"+OK\r\n" * asked.count(b"*"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(60)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"*2\r\n$5\r\nab", "in mid-answer"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"*1\r\n$1\r\na\r\n", "1 values for 2 keys"),
        (b"", "closed the connection"),
    ],
)
def test_an_answer_that_is_broken_off_is_an_error_and_never_a_value(answer: bytes, message: str) -> None:
    with a_server_that_says(answer) as url:
        store = open_online_store("redis", url, timeout_seconds=60)
        with pytest.raises(OnlineStoreUnavailable, match=message):
            store.read([b"a", b"b"])
        store.close()


def test_an_answer_in_pieces_is_put_together() -> None:
    with a_server_that_says(b"*2\r\n$-1\r\n$3\r\na\r\n\r\n") as url:
        store = open_online_store("redis", url, timeout_seconds=60)
        assert store.read([b"a", b"b"]) == [None, b"a\r\n"]
        assert store.read([]) == []
        store.close()


@pytest.mark.services
def test_a_connection_the_server_ended_while_idle_is_replaced(redis_url: str) -> None:
    import redis

    store = open_online_store("redis", redis_url, timeout_seconds=60)
    store.write([(b"a", packed(1))])
    assert store.read([b"a"]) == [packed(1)]
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert store.read([b"a", b"b"]) == [packed(1), None]
    store.close()


@pytest.mark.services
def test_large_values_and_nulls_come_whole(redis_url: str) -> None:
    layout = Layout("texts", [("text", "str")])
    store = open_online_store("redis", redis_url, timeout_seconds=60)
    rows = [(b"%d" % number, layout.pack(number, number, ("ä\r\n" * 40_000,))) for number in range(20)]
    store.write(rows)
    keys = [key for key, _ in rows]
    assert store.read([*keys, b"none"]) == [*(value for _, value in rows), None]
    store.close()


def test_an_unknown_store_names_the_installed_ones() -> None:
    with pytest.raises(UnknownPlugin, match="Did you mean 'redis'"):
        open_online_store("reddis", "")
