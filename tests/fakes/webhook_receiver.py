"""A receiver of webhooks on loopback: records what comes, answers as it is told."""

import http.server
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: "WebhookReceiver"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body))
        self.close_connection = True
        self.server.reply(self)

    def log_message(self, *arguments: object) -> None:
        pass


def status(code: int, body: bytes = b"", **headers: str) -> Reply:
    def reply(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def raw(content: bytes) -> Reply:
    return lambda handler: handler.wfile.write(content) and None


def reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def trickle(content: bytes, pause_s: float = 0.05) -> Reply:
    """A byte now and then, until the client goes."""

    def reply(handler: Handler) -> None:
        for byte in content:
            if handler.server.closing.wait(pause_s):
                return
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()

    return reply


def silence(handler: Handler) -> None:
    handler.server.closing.wait(30)


@dataclass
class Accepted:
    """Connections that were made, whether or not anything came over them."""

    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class WebhookReceiver(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.reply: Reply = status(200)
        self.received: list[Received] = []
        self.accepted = Accepted()
        self.closing = threading.Event()
        self._tls = tls
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        with self.accepted.lock:
            self.accepted.count += 1
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what many tests are about."""

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


@contextmanager
def receiving(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver(host, tls)
    try:
        yield receiver
    finally:
        receiver.close()
