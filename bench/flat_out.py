"""The same requests over a few open connections, as fast as answers come: little work for the one who asks."""

import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from bench.failure import BenchError

_CONNECTIONS: Final = 8
_TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 16
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_OK: Final = b"HTTP/1.1 200 "


def request_of(path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class FlatOut:
    """Open until closed, so that a connection costs nothing in what is timed."""

    def __init__(self, port: int) -> None:
        self._closing = ExitStack()
        self._sockets = [
            self._closing.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S))
            for _ in range(_CONNECTIONS)
        ]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, requests: Sequence[bytes], count: int) -> int:
        """`count` of them in turn, a whole number a connection; how many were answered. Raises BenchError for any
        answer that is not 200."""
        asked = 0
        while asked < count:
            for place, each in enumerate(self._sockets):
                each.sendall(requests[(asked + place) % len(requests)])
            for each in self._sockets:
                _receive(each)
            asked += len(self._sockets)
        return asked

    def close(self) -> None:
        self._closing.close()


def _receive(connection: socket.socket) -> None:
    data = bytearray()
    wanted = 0
    while not wanted or len(data) < wanted:
        chunk = connection.recv(_CHUNK)
        if not chunk:
            raise BenchError("the server closed a connection")
        data += chunk
        if not wanted and (end := data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(data, 0, end + 2)
            if length is None or not data.startswith(_OK):
                raise BenchError(f"an answer began with {bytes(data[:300])!r}")
            wanted = end + 4 + int(length[1])
