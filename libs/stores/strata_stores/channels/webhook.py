"""Signed webhooks: one POST, no redirects, no proxies, to addresses that are fit for a tenant's URL."""

import re
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import httpcore
import httpx

from strata_core.ports.clock import Clock
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, WebhookTarget
from strata_datamodel.limits import URL_LENGTH
from strata_stores.channels.addresses import Network
from strata_stores.channels.guarded_network import (
    Deadline,
    GuardedBackend,
    RefusedAddressError,
    Resolve,
    UnresolvedError,
    system_resolve,
)
from strata_stores.channels.replies import delivery_of
from strata_stores.channels.signing import signed_headers

PORTS: Final = frozenset({80, 443, 8080, 8443})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_BODY_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    body: bytes


class WebhookNotifier:
    """`timeout_s` bounds the whole delivery, look-up and reply included. A connection serves one message, so that no
    tenant's message travels over another's."""

    def __init__(
        self,
        clock: Clock,
        *,
        allowed_networks: Collection[Network] = (),
        allowed_ports: Collection[int] = PORTS,
        connect_timeout_s: float = 5.0,
        timeout_s: float = 10.0,
        ca_file: Path | None = None,
        user_agent: str = "Strata",
        resolve: Resolve = system_resolve,
    ) -> None:
        self._clock = clock
        self._allowed_networks = tuple(allowed_networks)
        self._allowed_ports = frozenset(allowed_ports)
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._user_agent = user_agent
        self._resolve = resolve
        self._tls = httpx.create_ssl_context(trust_env=False)
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)

    def deliver(self, target: WebhookTarget, message: Message) -> Delivery:
        url = _parsed(target.url)
        if url is None:
            return Delivery(DeliveryStatus.FAILED, "refused_url", "not a plain http or https URL")
        backend = GuardedBackend(
            Deadline(self._clock, self._timeout_s),
            self._resolve,
            allowed=self._allowed_networks,
            ports=self._allowed_ports,
        )
        try:
            answer = self._exchange(backend, url, self._headers(url, target, message), message.body)
        except RefusedAddressError as error:
            return Delivery(DeliveryStatus.FAILED, "refused_address", str(error))
        except UnresolvedError as error:
            return Delivery(DeliveryStatus.RETRY, "unresolved", str(error))
        except httpcore.LocalProtocolError:
            return Delivery(DeliveryStatus.FAILED, "bad_request", "the message cannot be sent over HTTP")
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return _failure(error, is_sent=backend.bytes_sent > 0)
        return delivery_of(answer.status, answer.retry_after, answer.body, self._clock.now())

    def _headers(self, url: httpx.URL, target: WebhookTarget, message: Message) -> list[tuple[bytes, bytes]]:
        own = {
            "host": url.netloc.decode("ascii"),
            "user-agent": self._user_agent,
            "content-type": "application/json",
            "content-length": str(len(message.body)),
            "connection": "close",
            **signed_headers(target.secret, message.message_id, self._clock.now(), message.body),
        }
        extra = {name.lower(): value for name, value in message.headers.items()}
        headers = {**extra, **own, "content-type": extra.get("content-type", own["content-type"])}
        return [(name.encode("utf-8"), value.encode("utf-8")) for name, value in headers.items()]

    def _exchange(
        self, backend: GuardedBackend, url: httpx.URL, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> _Answer:
        # The parts of one parse, never the text again: two parsers may see two hosts.
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or _DEFAULT_PORTS[url.scheme], target=url.raw_path
        )
        timeouts = {"connect": self._connect_timeout_s, "read": self._timeout_s, "write": self._timeout_s}
        with (
            httpcore.ConnectionPool(
                ssl_context=self._tls, max_keepalive_connections=0, network_backend=backend
            ) as pool,
            pool.stream("POST", target, headers=headers, content=body, extensions={"timeout": timeouts}) as response,
        ):
            fields = {name.lower(): value for name, value in response.headers}
            retry_after = fields.get(b"retry-after")
            return _Answer(
                response.status,
                retry_after.decode("latin-1") if retry_after is not None else None,
                b"" if 200 <= response.status < 300 else _beginning(response),
            )


def _parsed(text: str) -> httpx.URL | None:
    if len(text) > URL_LENGTH:
        return None
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None
    is_plain = url.scheme in _DEFAULT_PORTS and not url.userinfo and (url.port is None or 0 < url.port < 65_536)
    return url if is_plain and _is_host(url.raw_host.decode("ascii")) else None


def _is_host(text: str) -> bool:
    if ":" not in text:
        return _HOST_NAME.fullmatch(text) is not None
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _beginning(response: httpcore.Response) -> bytes:
    """The status has said it all: a body that breaks off, trickles or never ends changes nothing."""
    found = b""
    try:
        for chunk in response.iter_stream():
            found += chunk[: _BODY_BYTES - len(found)]
            if len(found) >= _BODY_BYTES:
                break
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        return found
    return found


def _failure(error: Exception, *, is_sent: bool) -> Delivery:
    is_timeout = isinstance(error, httpcore.TimeoutException)
    if is_sent:
        reason = "timeout" if is_timeout else "bad_reply" if isinstance(error, httpcore.ProtocolError) else "reset"
        return Delivery(DeliveryStatus.UNKNOWN, reason, "sent, but no answer told whether it was accepted")
    if isinstance(error.__context__, ssl.SSLError):
        return Delivery(DeliveryStatus.RETRY, "tls_failed", f"TLS: {error.__context__.reason or 'failed'}")
    return Delivery(DeliveryStatus.RETRY, "connect_failed", "timed out" if is_timeout else "could not be reached")
