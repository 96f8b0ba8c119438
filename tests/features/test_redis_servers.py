"""Redis as companies run it: TLS and a password, a limit of its memory, replicas."""

from __future__ import annotations

import re
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.features.builders import NOW, a_game, a_view, day, snapshot, stored_history
from tests.servers import running_redis
from touchline.errors import OnlineStoreEmptied, OnlineStoreUnavailable
from touchline.features import (
    ColumnSpec,
    FeatureHistory,
    FeatureReader,
    FeatureView,
    OnlineStore,
    ServedView,
    build_history,
    materialize,
    open_online_store,
)
from touchline.features.vectors.packed_row import Layout
from touchline.serving.releases.feature_state import read_feature_states

pytestmark = pytest.mark.services

LAYOUT = Layout("form", [("elo", "float")])
PASSWORD = "p@ss/w:rd #1%?"


def _rows(count: int) -> Iterator[tuple[bytes, bytes]]:
    return ((b"k%d" % number, LAYOUT.pack(number, number, (float(number),))) for number in range(count))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that signs itself; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "touchline tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return tmp_path / "cert.pem"


class _EndOfTls(socketserver.BaseRequestHandler):
    """Decrypts one connection and passes it on, one side at a time; not every build of Valkey speaks TLS itself."""

    def handle(self) -> None:
        context: ssl.SSLContext = self.server.tls  # type: ignore[attr-defined]
        port: int = self.server.redis_port  # type: ignore[attr-defined]
        with (
            suppress(OSError),
            context.wrap_socket(self.request, server_side=True) as near,
            socket.create_connection(("127.0.0.1", port)) as far,
        ):
            while True:
                for end in [near] if near.pending() else select.select([near, far], [], [])[0]:
                    if not (data := end.recv(65536)):
                        return
                    (far if end is near else near).sendall(data)


@contextmanager
def over_tls(url: str, certificate: Path) -> Iterator[str]:
    """The address at which a server is reached over TLS."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _EndOfTls) as server:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # type: ignore[attr-defined]
        server.tls.load_cert_chain(certificate, certificate.with_name("key.pem"))  # type: ignore[attr-defined]
        server.redis_port = urlsplit(url).port  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"rediss://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_password_with_any_signs_goes_over_tls(certificate: Path) -> None:
    with running_redis("--requirepass", PASSWORD) as plain, over_tls(plain, certificate) as url:
        address = url.replace("//", f"//:{quote(PASSWORD, safe='')}@")
        store = open_online_store("redis", f"{address}/0?ssl_ca_certs={certificate}", timeout_seconds=60)
        assert store.write(_rows(3)) == 3
        assert store.read([b"k1", b"none"]) == [LAYOUT.pack(1, 1, (1.0,)), None]
        assert store.find_faults() == []
        store.close()
        for wrong, message in (
            (f"{address}/0", "certificate verify failed"),
            (
                f"{address.replace('%40', 'x')}/0?ssl_ca_certs={certificate}",
                "cannot be read: .*address and password are right",
            ),
        ):
            other = open_online_store("redis", wrong, timeout_seconds=60)
            with pytest.raises(OnlineStoreUnavailable, match=message) as refused:
                other.read([b"k1"])
            assert "ss/w" not in str(refused.value)
            other.close()


@pytest.fixture
def full() -> Iterator[OnlineStore]:
    """A store in a server that may use 4 MB."""
    with running_redis("--maxmemory", "4mb") as url:
        store = open_online_store("redis", url, timeout_seconds=60)
        yield store
        store.close()


def test_a_full_server_refuses_values_and_gives_those_it_has(full: OnlineStore) -> None:
    full.write(_rows(10))
    with pytest.raises(OnlineStoreUnavailable, match="maxmemory"):
        full.write(_rows(60_000))
    assert full.read([b"k3"]) == [LAYOUT.pack(3, 3, (3.0,))]
    assert [fault.partition(":")[0] for fault in full.find_faults()] == [
        "its memory is full, so that no value can be written"
    ]


def test_a_dropped_value_counts_as_missing_and_doctor_says_why(tmp_path: Path) -> None:
    with running_redis("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru") as url:
        store = open_online_store("redis", url, timeout_seconds=60)
        reader = _reader(store, tmp_path)
        assert reader.read_one({"home": "A"}, NOW)[1][0].status == "present"
        assert read_feature_states(reader, NOW)[0].status in ("ok", "aging")
        client = redis.Redis.from_url(url)
        client.delete(reader.views[0].key({"home": "A"}) or b"")  # as the server does with the key unused for longest
        assert reader.read_one({"home": "A"}, NOW)[1][0].status == "missing"
        assert reader.counters.reads()["running_total"].missing == 1
        store.write(_rows(60_000))
        assert int(client.info("stats")["evicted_keys"]) > 0
        materialize(*_history(tmp_path), store, now=NOW)  # the metadata of the view may be dropped, too
        state = read_feature_states(reader, NOW)[0]
        assert state.status == "dropping"
        assert re.fullmatch(r"the store has dropped [\d,]+ keys for want of memory \(allkeys-lru\)", str(state.reason))
        policy, dropped = store.find_faults()
        assert policy.startswith("above 4.2 MB it drops keys (allkeys-lru")
        assert dropped.endswith("Fill them again: touchline doctor --repair")
        client.config_set("maxmemory-policy", "noeviction")
        assert store.find_losses() is None
        client.close()
        store.close()


def test_a_replica_takes_no_value_and_one_promoted_empty_is_filled_again(tmp_path: Path) -> None:
    with running_redis("--replicaof", "127.0.0.1 1") as url:  # it has never reached its primary
        store = open_online_store("redis", url, timeout_seconds=60)
        assert store.find_faults() == ["it is a read-only replica: name the primary in TOUCHLINE_REDIS_URL"]
        with pytest.raises(OnlineStoreUnavailable, match="read only replica"):
            store.write(_rows(1))
        with redis.Redis.from_url(url) as client:
            client.replicaof("NO", "ONE")
        reader = _reader(store, tmp_path, is_filled=False)
        with pytest.raises(OnlineStoreEmptied, match="it was emptied, or another store answers"):
            reader.read_one({"home": "A"}, NOW)
        assert reader.counters.failures == 1
        assert _reader(store, tmp_path).read_one({"home": "A"}, NOW)[1][0].status == "present"
        assert store.find_faults() == []
        store.close()


def _history(folder: Path) -> tuple[FeatureView, FeatureHistory]:
    view = a_view()
    return view, stored_history(view, build_history(view, {"games": snapshot([a_game("1", day(1))])}), folder)


def _reader(store: OnlineStore, folder: Path, *, is_filled: bool = True) -> FeatureReader:
    view = a_view()
    if is_filled:
        materialize(*_history(folder), store, now=NOW)
    columns = (ColumnSpec("home_total", "number", origin="view:running_total"),)
    return FeatureReader((ServedView.of("p", view.on("home", prefix="home")),), columns, store)
