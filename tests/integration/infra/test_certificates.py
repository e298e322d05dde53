"""infra/tls/make-certificates makes what a client that checks everything accepts."""

import ssl
import subprocess
import threading
from pathlib import Path
from socket import create_connection, create_server

import pytest

ROOT = Path(__file__).resolve().parents[3]
STORES = ("postgres", "valkey", "influxdb", "elasticsearch")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls") / "certificates"
    subprocess.run([ROOT / "infra/tls/make-certificates", directory], check=True, capture_output=True)
    return directory


def shake_hands(certificates, store: str, name: str) -> None:
    """A client that trusts the authority and expects `name`, against a server with the store's certificate."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificates / f"{store}.crt", certificates / f"{store}.key")
    client_side = ssl.create_default_context(cafile=certificates / "ca.crt")
    with create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_answer, args=(listener, server_side))
        answering.start()
        try:
            with (
                create_connection(listener.getsockname(), timeout=10) as plain,
                client_side.wrap_socket(plain, server_hostname=name) as secured,
            ):
                assert secured.recv(2) == b"ok"
        finally:
            answering.join(10)


def _answer(listener, context) -> None:
    connection, _ = listener.accept()
    with connection:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.sendall(b"ok")
        except (ssl.SSLError, OSError):
            return  # the client turned away, which is its assertion to make


@pytest.mark.parametrize("store", STORES)
def test_a_store_is_recognised_under_its_own_name(certificates, store):
    shake_hands(certificates, store, store)
    shake_hands(certificates, store, "localhost")


def test_one_store_cannot_pass_for_another(certificates):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(certificates, "valkey", "postgres")


def test_made_again_nothing_changes_but_what_is_missing(certificates):
    before = {path.name: path.read_bytes() for path in certificates.glob("*.crt")}
    (certificates / "valkey.crt").unlink()
    subprocess.run([ROOT / "infra/tls/make-certificates", certificates], check=True, capture_output=True)
    after = {path.name: path.read_bytes() for path in certificates.glob("*.crt")}
    assert {name for name in before if before[name] != after[name]} == {"valkey.crt"}
    shake_hands(certificates, "valkey", "valkey")


def test_strangers_on_the_machine_reach_no_key(certificates):
    assert certificates.stat().st_mode & 0o777 == 0o700
    assert (certificates / "ca.key").stat().st_mode & 0o777 == 0o400
