"""HTTP to InfluxDB: one pool of kept-alive connections, a time-out on everything, bounded answers."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import orjson
import urllib3
import urllib3.connection
from isal import igzip

from strata_core.departures import check_wanted, on_departure
from strata_core.ports.clock import Clock
from strata_datamodel.errors import LimitError, StoreUnavailableError
from strata_datamodel.limits import MIB

STORE: Final = "metrics"
_BLOCK_BYTES: Final = 256 * 1024
_SHORT_ANSWER_BYTES: Final = 1 * MIB
_LONG_ANSWER_BYTES: Final = 512 * MIB
_COMPRESS_FROM_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, or a user and a password; a token alone is what 2.x takes."""

    token: str | None = None
    username: str | None = None
    password: str | None = None

    def headers(self) -> dict[str, str]:
        if self.token:
            return {"Authorization": f"Token {self.token}"}
        if self.username is None:
            return {}
        return dict(urllib3.make_headers(basic_auth=f"{self.username}:{self.password or ''}"))


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def message(self) -> str:
        """What the store says went wrong: 1.x says `error`, 2.x `message`."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            document = None
        if isinstance(document, dict):
            return str(document.get("error") or document.get("message") or "")
        return self.body[:500].decode(errors="replace")

    def unavailable(self) -> StoreUnavailableError:
        after = self.headers.get("Retry-After", "")
        detail = f"answered {self.status}: {self.message()[:500]}"
        return StoreUnavailableError(STORE, detail, retry_after_s=int(after) if after.isdecimal() else 5)


class _Connection(urllib3.connection.HTTPConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        with on_departure(partial(_hang_up, self)):
            return super().getresponse()


class _TlsConnection(urllib3.connection.HTTPSConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        with on_departure(partial(_hang_up, self)):
            return super().getresponse()


def _hang_up(connection: urllib3.connection.HTTPConnection) -> None:
    """From another thread than the one that waits for its answer. A store that hears it stops what it does."""
    if connection.sock is not None:
        with suppress(OSError):
            # Not TLS's own way, which takes the connection apart under the feet of who reads.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


class Transport:
    def __init__(
        self,
        url: str,
        clock: Clock,
        credentials: Credentials,
        *,
        connect_timeout_s: float,
        ca_file: Path | None,
        connections: int,
    ) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._headers = credentials.headers() | {"User-Agent": "strata"}
        tls = {"ca_certs": str(ca_file)} if ca_file is not None else {}
        self._pool = urllib3.connectionpool.connection_from_url(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", maxsize=connections, retries=False, **tls
        )
        self._pool.ConnectionCls = _TlsConnection if parts.scheme == "https" else _Connection

    def ask(self, method: str, path: str, *, timeout_s: float, parameters: Mapping[str, str] | None = None) -> Reply:
        """Parameters travel in the body of a POST, where they may be long."""
        body = urlencode(parameters).encode() if parameters and method == "POST" else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        with self._opened(method, path, body, headers, timeout_s) as response:
            return self._short(response)

    def send_lines(self, path: str, lines: bytes, *, timeout_s: float) -> Reply:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if len(lines) >= _COMPRESS_FROM_BYTES:
            headers["Content-Encoding"] = "gzip"
            lines = igzip.compress(lines, compresslevel=1)
        with self._opened("POST", path, lines, headers, timeout_s) as response:
            return self._short(response)

    @contextmanager
    def stream(
        self, path: str, parameters: Mapping[str, str], *, timeout_s: float, is_kept: bool = True
    ) -> Iterator[Reply | Iterator[bytes]]:
        """The lines of a good answer as they come, else the reply. An answer that is cut off raises in mid-stream.
        One that is not kept may be as long as there is time for."""
        until_s = self._clock.monotonic_s() + timeout_s
        body = urlencode(parameters).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip"}
        with self._opened("POST", path, body, headers, timeout_s) as response:
            yield self._lines(response, until_s, is_kept=is_kept) if response.status == 200 else self._short(response)

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def _opened(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = self._pool.urlopen(
                method,
                self._path + path,
                body=body,
                headers=self._headers | dict(headers),
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=self._connect_timeout_s, read=timeout_s),
            )
            with on_departure(partial(_hang_up_answer, response)):
                yield response
        except StoreUnavailableError:
            check_wanted()
            raise
        except (urllib3.exceptions.HTTPError, OSError) as error:
            check_wanted()
            raise StoreUnavailableError(STORE, f"did not answer: {_reason(error)}") from error
        finally:
            if response is not None and response.connection is not None:
                response.close()  # what is left of this answer must not be taken for the next one's
                response.release_conn()

    def _short(self, response: urllib3.BaseHTTPResponse) -> Reply:
        body = response.read(_SHORT_ANSWER_BYTES, decode_content=True)
        if response.read(1):
            response.close()
        return Reply(response.status, response.headers, body)

    def _lines(self, response: urllib3.BaseHTTPResponse, until_s: float, *, is_kept: bool) -> Iterator[bytes]:
        kept, total = b"", 0
        for block in response.stream(_BLOCK_BYTES, decode_content=True):
            total += len(block)
            if is_kept and total > _LONG_ANSWER_BYTES:
                raise LimitError(
                    "the answer is too large to take in", code="query_points", hint="ask for less at a time"
                )
            if self._clock.monotonic_s() > until_s:
                raise StoreUnavailableError(STORE, "did not finish its answer in time")
            *lines, kept = (kept + block).split(b"\n")
            yield from (line for line in lines if line)
        if kept:
            yield kept


def _hang_up_answer(response: urllib3.BaseHTTPResponse) -> None:
    if isinstance(response.connection, urllib3.connection.HTTPConnection):
        _hang_up(response.connection)


def _reason(error: BaseException) -> str:
    """Without what urllib3 adds: object addresses and the like."""
    text = str(error.args[-1]) if error.args else type(error).__name__
    return text[:300]
