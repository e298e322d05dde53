import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from faults.kinds import Bandwidth, BlackHole, CutReply, CutRequest, Latency, Refuse, Reset
from waiting import eventually


class EchoServer:
    """Answers each chunk with itself, over TCP or a unix socket, and keeps what it received."""

    def __init__(self, listener):
        self.received = b""
        self._listener = listener
        self._connections = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._echo, args=[connection]))
            self._threads[-1].start()

    def _echo(self, connection):
        try:
            while chunk := connection.recv(65_536):
                self.received += chunk
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self):
        for endpoint in (self._listener, *self._connections):
            with suppress(OSError):
                endpoint.shutdown(socket.SHUT_RDWR)
            endpoint.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def cleanup():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def echo(cleanup):
    server = EchoServer(socket.create_server(("127.0.0.1", 0)))
    cleanup.callback(server.close)
    return server


@pytest.fixture
def proxy(echo, fault_proxy):
    return fault_proxy(echo._listener.getsockname())


@pytest.fixture
def connect(proxy, cleanup):
    def connected():
        client = socket.create_connection((proxy.host, proxy.port), timeout=5)
        cleanup.callback(client.close)
        return client

    return connected


def echoed(client, content):
    client.sendall(content)
    return received(client, len(content))


def received(client, size):
    content = b""
    while len(content) < size and (chunk := client.recv(size - len(content))):
        content += chunk
    return content


def test_without_a_fault_everything_arrives_and_is_counted(proxy, connect):
    content = bytes(range(256)) * 2000
    client = connect()
    sender = threading.Thread(target=client.sendall, args=[content])
    sender.start()
    assert received(client, len(content)) == content
    sender.join()
    assert (proxy.connections, proxy.bytes_to_store, proxy.bytes_to_client) == (1, len(content), len(content))


def test_an_end_of_stream_is_passed_on_in_both_directions(proxy, connect):
    client = connect()
    assert echoed(client, b"last words") == b"last words"
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    eventually(lambda: proxy.open_connections == 0, 5)


def test_a_unix_socket_can_be_the_upstream(tmp_path, fault_proxy, cleanup):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    cleanup.callback(EchoServer(listener).close)
    proxy = fault_proxy(tmp_path / "s")
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as client:
        assert echoed(client, b"by path") == b"by path"


def test_a_store_that_is_down_looks_like_a_reset(echo, proxy, connect):
    echo.close()
    with pytest.raises(ConnectionResetError):
        connect().recv(1)


def test_latency_delays_and_heals_on_an_open_connection(proxy, connect):
    client = connect()
    proxy.set(Latency(to_store_s=0.1, to_client_s=0.1))
    began = time.monotonic()
    assert echoed(client, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.2
    proxy.set(Latency(to_store_s=30))
    client.sendall(b"held up")
    proxy.heal()
    assert received(client, 7) == b"held up"


def test_bandwidth_is_limited(proxy, connect):
    proxy.set(Bandwidth(bytes_per_s=100_000))
    client = connect()
    began = time.monotonic()
    assert len(echoed(client, b"x" * 30_000)) == 30_000
    assert time.monotonic() - began >= 0.25


def test_reset_hits_open_and_new_connections_until_healed(echo, proxy, connect):
    client = connect()
    assert echoed(client, b"before") == b"before"
    proxy.set(Reset())
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionResetError):
        connect().recv(1)
    proxy.heal()
    assert echoed(connect(), b" after") == b" after"
    assert echo.received == b"before after"


def test_refuse_leaves_nobody_listening_and_heals_on_the_same_port(proxy, connect):
    client = connect()
    assert echoed(client, b"before") == b"before"
    proxy.set(Refuse())
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.heal()
    assert echoed(connect(), b"after") == b"after"


def test_a_black_hole_accepts_and_stays_silent_and_then_everything_arrives(echo, proxy, connect):
    opened_before = connect()
    assert echoed(opened_before, b"a") == b"a"
    proxy.set(BlackHole())
    opened_in_it = connect()
    for client in (opened_before, opened_in_it):
        client.sendall(b"b")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert echo.received == b"a"
    proxy.heal()
    for client in (opened_before, opened_in_it):
        client.settimeout(5)
        assert received(client, 1) == b"b"


@pytest.mark.parametrize("reply_bytes", [0, 3])
def test_a_cut_reply_means_the_store_did_it_and_the_client_cannot_know(echo, proxy, connect, reply_bytes):
    client = connect()
    assert echoed(client, b"earlier,") == b"earlier,"
    proxy.set(CutReply(after_bytes=reply_bytes), times=1)
    client.sendall(b"request")
    assert received(client, reply_bytes) == b"request"[:reply_bytes]
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert echo.received == b"earlier,request"
    assert proxy.faults_fired == 1


def test_a_fault_with_a_number_of_times_heals_itself(proxy, connect):
    proxy.set(CutReply(), times=2)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            echoed(connect(), b"lost")
    assert echoed(connect(), b"fine") == b"fine"
    assert proxy.faults_fired == 2


def test_times_is_refused_where_it_has_no_meaning(proxy):
    with pytest.raises(ValueError, match="one by one"):
        proxy.set(BlackHole(), times=1)


@pytest.mark.parametrize("after_bytes", [0, 4])
def test_a_cut_request_reaches_the_store_torn(echo, proxy, connect, after_bytes):
    proxy.set(CutRequest(after_bytes=after_bytes))
    client = connect()
    client.sendall(b"request")
    with pytest.raises(ConnectionResetError):
        received(client, 7)
    eventually(lambda: proxy.open_connections == 0, 5)
    # The reset may overtake the bytes before it; more than these the store can never get.
    assert b"request"[:after_bytes].startswith(echo.received)
    assert proxy.bytes_to_store == after_bytes


def test_two_proxies_of_one_store_break_apart(echo, proxy, connect, fault_proxy):
    other = fault_proxy(echo._listener.getsockname())
    proxy.set(Refuse())
    with socket.create_connection((other.host, other.port), timeout=5) as client:
        assert echoed(client, b"unmoved") == b"unmoved"


def test_closing_a_proxy_with_open_connections_ends_them(proxy, connect):
    client = connect()
    assert echoed(client, b"x") == b"x"
    proxy.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
