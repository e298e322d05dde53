"""The load generator sends what it was told, in order, and takes no refusal for an answer."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench.failure import BenchError
from bench.load import Target, load_generator


@dataclass(frozen=True)
class NamedBodies:
    connections: int = 3

    @property
    def path(self) -> str:
        return "/here"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"X-Kind": "test"}

    def body(self, connection: int, number: int) -> bytes:
        return f"{connection}/{number}".encode()

    def is_accepted(self, status: int, answer: bytes) -> bool:
        return status == 204


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, refused: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.refused = refused
        self.bodies: dict[object, list[str]] = defaultdict(list)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert (self.path, self.headers["x-kind"], self.headers["authorization"]) == ("/here", "test", "Token k3y")
        self.server.bodies[self.client_address].append(body.decode())
        if body == self.server.refused:
            self.send_response(503)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"too busy")
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        return


@contextmanager
def receiver(refused: bytes = b"") -> Iterator[Receiver]:
    with Receiver(refused) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_each_connection_sends_its_bodies_once_in_order_and_stays_open():
    with receiver() as server, load_generator(NamedBodies(), 5, Target(server.server_port, "k3y"), None) as load:
        assert load.send(0, 2).requests == 6
        sent = load.send(2, 3)
    assert sent.requests == 9
    assert 0 < sent.p50_ms <= sent.p99_ms
    lanes = sorted(server.bodies.values())
    assert lanes == [[f"{connection}/{number}" for number in range(5)] for connection in range(3)]


def test_a_body_that_is_not_taken_ends_the_run_with_the_answer():
    with (
        receiver(b"1/1") as server,
        load_generator(NamedBodies(), 2, Target(server.server_port, "k3y"), None) as load,
        pytest.raises(BenchError, match="503: too busy"),
    ):
        load.send(0, 2)


def test_sending_that_takes_too_long_is_given_up():
    with (
        receiver() as server,
        load_generator(NamedBodies(), 2, Target(server.server_port, "k3y"), None) as load,
        pytest.raises(BenchError, match="longer than 0 s"),
    ):
        load.send(0, 2, limit_s=0)
