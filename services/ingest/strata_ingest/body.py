"""Reading a request's body within bounds of size, time and memory."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

from strata_datamodel.errors import DeadlineError, InvalidError, TooLargeError, UnavailableError
from strata_datamodel.limits import (
    BODY_TIMEOUT_S,
    INGEST_BODY_BYTES,
    INGEST_COMPRESSED_BYTES,
    INGEST_IN_FLIGHT_BYTES,
)
from strata_wire.decompression import IDENTITY

_BUSY_RETRY_S: Final = 1


class InFlight:
    """Bytes of bodies that are being read or wait to be durable. Lives on one event loop."""

    def __init__(self, limit_bytes: int = INGEST_IN_FLIGHT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0

    @contextmanager
    def share(self) -> Iterator["Share"]:
        share = Share(self)
        try:
            yield share
        finally:
            self._held_bytes -= share.size_bytes

    def take(self, size_bytes: int) -> None:
        if self._held_bytes + size_bytes > self._limit_bytes:
            raise UnavailableError(
                "too many bodies are being read at once", code="ingest_busy", retry_after_s=_BUSY_RETRY_S
            )
        self._held_bytes += size_bytes


class Share:
    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        self._in_flight.take(size_bytes)
        self.size_bytes += size_bytes


async def read_body(request: Request, coding: str, share: Share, *, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    limit = INGEST_BODY_BYTES if coding == IDENTITY else INGEST_COMPRESSED_BYTES
    declared = request.headers.get("content-length")
    if declared is not None and (not declared.isdecimal() or len(declared) > 18):
        raise InvalidError("Content-Length is not a number", code="bad_content_length")
    if declared is not None and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                share.add(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise DeadlineError(f"the body did not arrive within {timeout_s:g} s", code="body_timeout") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"the body is larger than {limit} bytes", code="body_too_large", hint="send it in smaller parts"
    )
