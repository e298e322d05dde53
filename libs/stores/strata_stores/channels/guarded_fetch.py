"""Small JSON documents from addresses that an organization chose."""

import json
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpcore
import httpx

from strata_core.ports.clock import Clock
from strata_stores.channels.addresses import Network
from strata_stores.channels.guarded_network import (
    Deadline,
    GuardedBackend,
    RefusedAddressError,
    Resolve,
    UnresolvedError,
    system_resolve,
)

_BODY_BYTES: Final = 256 * 1024
_PORTS: Final = frozenset({80, 443, 8080, 8443})


class FetchError(Exception):
    """No document, whatever the reason: which one it was would tell a tenant about our network."""


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    document: dict[str, object]


@dataclass(frozen=True, slots=True)
class GuardedFetch:
    """Follows no redirects, keeps no connections, reads no more than a bounded body, ends in time."""

    clock: Clock
    allowed_networks: Collection[Network] = ()
    allows_plain: bool = False
    timeout_s: float = 10.0
    resolve: Resolve = system_resolve
    tls: ssl.SSLContext = field(default_factory=lambda: httpx.create_ssl_context(trust_env=False))

    @classmethod
    def trusting(cls, clock: Clock, allowed_networks: Collection[Network], ca_file: Path | None) -> "GuardedFetch":
        """Plain http only where the operator allowed networks of their own to be reached."""
        tls = httpx.create_ssl_context(trust_env=False)
        if ca_file is not None:
            tls.load_verify_locations(ca_file)
        return cls(clock, tuple(allowed_networks), allows_plain=bool(allowed_networks), tls=tls)

    def get(self, url: str) -> Fetched:
        return self._exchange("GET", url, {}, b"")

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        return self._exchange("POST", url, headers, body)

    def _exchange(self, method: str, text: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        url = self._parsed(text)
        backend = GuardedBackend(
            Deadline(self.clock, self.timeout_s), self.resolve, allowed=self.allowed_networks, ports=_PORTS
        )
        target = httpcore.URL(
            scheme=url.raw_scheme,
            host=url.raw_host,
            port=url.port or {"https": 443, "http": 80}[url.scheme],
            target=url.raw_path,
        )
        own = {"host": url.netloc.decode("ascii"), "accept": "application/json", "connection": "close"}
        if body:
            own["content-length"] = str(len(body))
        sent = [(name.encode(), value.encode()) for name, value in {**headers, **own}.items()]
        timeouts = {"connect": self.timeout_s, "read": self.timeout_s, "write": self.timeout_s}
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self.tls, max_keepalive_connections=0, network_backend=backend
                ) as pool,
                pool.stream(method, target, headers=sent, content=body, extensions={"timeout": timeouts}) as response,
            ):
                content = _bounded(response)
                status = response.status
        except (
            RefusedAddressError,
            UnresolvedError,
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
        ):
            raise FetchError from None
        return Fetched(status, _document(content))

    def _parsed(self, text: str) -> httpx.URL:
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise FetchError from None
        schemes = {"https", "http"} if self.allows_plain else {"https"}
        if url.scheme not in schemes or url.userinfo or not url.raw_host:
            raise FetchError
        return url


def _bounded(response: httpcore.Response) -> bytes:
    content = b""
    for chunk in response.iter_stream():
        content += chunk
        if len(content) > _BODY_BYTES:
            raise FetchError
    return content


def _document(content: bytes) -> dict[str, object]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise FetchError from None
    if not isinstance(document, dict):
        raise FetchError
    return document
