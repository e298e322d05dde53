"""The connection backend: resolves once, checks every answer, connects to what it checked, and keeps the deadline.

No caller can forget it, and no second look-up can lead elsewhere than the first.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import httpcore

from strata_core.ports.clock import Clock
from strata_stores.channels.addresses import Network, is_allowed

Resolve = Callable[[str, int], Sequence[str]]
_LOOK_UPS_AT_ONCE: Final = 32
_ADDRESSES_TRIED: Final = 3
_look_ups = threading.BoundedSemaphore(_LOOK_UPS_AT_ONCE)


class RefusedAddressError(Exception):
    """The name leads to an address that a tenant's URL may not lead to."""


class UnresolvedError(Exception):
    """The name has no address, or none in time."""


class Deadline:
    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._ends_s = clock.monotonic_s() + seconds

    def left_s(self, at_most_s: float | None = None) -> float:
        """Never below zero."""
        left_s = max(0.0, self._ends_s - self._clock.monotonic_s())
        return left_s if at_most_s is None else min(left_s, at_most_s)


class GuardedBackend(httpcore.NetworkBackend):
    """For one request."""

    def __init__(
        self, deadline: Deadline, resolve: Resolve, *, allowed: Collection[Network], ports: Collection[int]
    ) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._allowed = allowed
        self._ports = ports
        self._plain = httpcore.SyncBackend()
        self.bytes_sent = 0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _resolve_in_time(self._resolve, host, port, self._deadline.left_s(timeout))
        if not addresses:
            raise UnresolvedError("the name has no address")
        for address in addresses:
            if not is_allowed(address, port, allowed=self._allowed, ports=self._ports):
                raise RefusedAddressError("the address or port is not one that messages may be sent to")
        return DeadlineStream(self._connect(addresses[:_ADDRESSES_TRIED], port, timeout), self._deadline, self._count)

    def _connect(self, addresses: Sequence[str], port: int, timeout: float | None) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectTimeout("no time left")
        for address in addresses:
            left_s = self._deadline.left_s(timeout)
            if left_s <= 0:
                break
            try:
                return self._plain.connect_tcp(address, port, timeout=left_s)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _count(self, sent: int) -> None:
        self.bytes_sent += sent


class DeadlineStream(httpcore.NetworkStream):
    """Each read and write gets what is left of the whole: a reply that trickles cannot outlast it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline, count: Callable[[int], None]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._count = count

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left_s = self._deadline.left_s(timeout)
        if left_s <= 0:
            raise httpcore.ReadTimeout("the deadline is over")
        return self._stream.read(max_bytes, left_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left_s = self._deadline.left_s(timeout)
        if left_s <= 0:
            raise httpcore.WriteTimeout("the deadline is over")
        self._count(len(buffer))
        self._stream.write(buffer, left_s)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = self._deadline.left_s(timeout)
        if left_s <= 0:
            raise httpcore.ConnectTimeout("the deadline is over")
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left_s), self._deadline, self._count)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def system_resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _resolve_in_time(resolve: Resolve, host: str, port: int, timeout_s: float) -> Sequence[str]:
    """In a thread that is left behind when it takes too long: the system's resolver knows no time-out of ours."""
    if not _look_ups.acquire(timeout=timeout_s):
        raise UnresolvedError("too many look-ups are under way")
    answer: Future[Sequence[str]] = Future()

    def look_up() -> None:
        try:
            answer.set_result(resolve(host, port))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)
        finally:
            _look_ups.release()

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        return answer.result(timeout_s)
    except TimeoutError:
        raise UnresolvedError("the name did not resolve in time") from None
    except (OSError, UnicodeError):
        raise UnresolvedError("the name does not resolve") from None
