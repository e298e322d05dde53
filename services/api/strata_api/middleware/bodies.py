"""Reads each body whole before anything looks at it, so that its size, its pace and its compression have one limit."""

import asyncio
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strata_datamodel.errors import DeadlineError, TooLargeError
from strata_datamodel.limits import API_BODY_BYTES, BODY_TIMEOUT_S
from strata_wire.decompression import IDENTITY, coding_of, decompress

_WAITED: Final = "body_waited_s"


class ClientGoneError(Exception):
    """Nobody is left to answer."""


def note_waited(scope: Scope, waited_s: float) -> None:
    """Of the time that the body has, so much is gone."""
    scope["state"][_WAITED] = waited_s


class BodyLimits:
    def __init__(self, app: ASGIApp, *, limit_bytes: int = API_BODY_BYTES, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        coding = coding_of(headers.get("content-encoding"))
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared) > self._limit_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._timeout_s - scope.get("state", {}).get(_WAITED, 0.0)):
                body = await self._read(receive)
        except TimeoutError:
            raise DeadlineError("the body did not arrive in time", code="body_timeout") from None
        except ClientGoneError:
            return
        if coding != IDENTITY:
            body = decompress(body, coding, limit_bytes=self._limit_bytes)
            scope = _plain(scope, len(body))
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._limit_bytes:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"the body is larger than {self._limit_bytes} bytes",
            code="body_too_large",
            hint="the limit is API_BODY_BYTES; telemetry goes to the ingest port",
        )


def _plain(scope: Scope, size_bytes: int) -> Scope:
    plain = {**scope, "headers": list(scope["headers"])}
    headers = MutableHeaders(scope=plain)
    del headers["content-encoding"]
    headers["content-length"] = str(size_bytes)
    return plain


def _replay(body: bytes, receive: Receive) -> Receive:
    is_delivered = False

    async def receive_again() -> Message:
        nonlocal is_delivered
        if is_delivered:
            return await receive()
        is_delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
