"""The accept path: authenticate, read, decompress, parse, make durable, answer. A 2xx means that it is on disk."""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import structlog
from starlette.requests import Request

from strata_core.access.credentials import presented_token
from strata_core.access.hints import AccessHint
from strata_core.access.networks import require_inside
from strata_datamodel.errors import StrataError, UnauthenticatedError, UnavailableError
from strata_datamodel.ids import BatchId, uuid7
from strata_datamodel.limits import KIB, REQUEST_TIMEOUT_S
from strata_datamodel.spooling import Envelope, Signal, WireFormat
from strata_ingest.admission import Admission
from strata_ingest.auth_cache import AuthCache
from strata_ingest.body import InFlight, read_body
from strata_ingest.callers import Caller, recognise_caller
from strata_ingest.catching_up import CatchingUp
from strata_ingest.deps import IngestDeps
from strata_ingest.instruments import Instruments, SpoolCollector
from strata_ingest.series_asking import ParsedPoints, SeriesAsking
from strata_ingest.series_gate import SeriesGate
from strata_ingest.tombstones import refuse_closed
from strata_wire.bulk import ParsedBulk
from strata_wire.decompression import GZIP, IDENTITY, SNAPPY, coding_of, decompress
from strata_wire.times_kept import RAW_KEPT_NS

_INLINE_BYTES: Final = 16 * KIB  # below this a hand-over to a thread costs more than the parse
_INLINE_ITEMS: Final = 200  # the same of an answer
_PARSING_THREADS: Final = min(4, os.cpu_count() or 1)
_LOOKUP_THREADS: Final = 4
_KEPT_CODINGS: Final = (GZIP, SNAPPY)  # bodies in another one are spooled plain
_NANOSECONDS_PER_MS: Final = 1_000_000
_NO_QUERY: Final[Mapping[str, str]] = {}

T = TypeVar("T")
P = TypeVar("P", bound=ParsedPoints | ParsedBulk)
Parse = Callable[[bytes, Envelope], P]


class Edge:
    def __init__(self, deps: IngestDeps) -> None:
        self.deps = deps
        self.instruments = Instruments(deps.registry)
        deps.registry.register(SpoolCollector(deps.spools, deps.clock))
        self._in_flight = InFlight()
        self._parsers = ThreadPoolExecutor(_PARSING_THREADS, thread_name_prefix="ingest-parse")
        self._lookups = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="ingest-lookup")
        self._auth = AuthCache(
            partial(recognise_caller, deps.units),
            deps.clock,
            self._lookups,
            self.instruments.recognised,
        )
        self._admission = Admission(deps, self._lookups, self.instruments)
        gate = SeriesGate(deps.units, deps.shared.registered, deps.clock)
        self._series = SeriesAsking(gate, self.instruments.refused)
        shared = deps.shared
        self._catching_up = {Signal.METRICS: CatchingUp(shared.points), Signal.LOGS: CatchingUp(shared.events)}

    def hear(self, hint: AccessHint) -> None:
        """On the event loop: what somebody's key may do has changed elsewhere."""
        if hint.organization_id is not None:
            self._auth.forget_organization(hint.organization_id)

    def close(self) -> None:
        self._parsers.shutdown(wait=True, cancel_futures=True)
        self._lookups.shutdown(wait=True, cancel_futures=True)
        self._series.close()

    async def caller(self, request: Request) -> Caller:
        """Raises UnauthenticatedError (`credentials_missing`, and those of keys), DeniedError, UnavailableError."""
        address = request.client.host if request.client else None
        await self._admission.of_address(request, address)
        authorization = request.headers.get("authorization")
        token = presented_token(authorization, request.query_params if authorization is None else _NO_QUERY)
        if token is None:
            raise UnauthenticatedError(
                "no credentials were sent", code="credentials_missing", hint="send a key with the scope `ingest`"
            )
        caller = await self._auth.caller(token)
        refuse_closed(self.deps.closed, caller.organization_id)
        if caller.networks:
            require_inside(address, caller.networks)
        await self._admission.of_buckets(request, caller.request_buckets)
        structlog.contextvars.bind_contextvars(organization_id=str(caller.organization_id))
        return caller

    async def accept(
        self,
        request: Request,
        caller: Caller,
        wire_format: WireFormat,
        parameters: Mapping[str, str],
        parse: Parse[P],
        count: Callable[[P], int],
        coding: str | None = None,
    ) -> P:
        """The parsed body, once whatever is good in it is durable. `count` says how many lines or documents that is;
        a body without any is not spooled. Points of new series beyond the organization's limits are left out:
        `refused_points` has them, and each protocol tells its sender."""
        signal = Signal.LOGS if wire_format is WireFormat.ES_BULK else Signal.METRICS
        if signal is Signal.METRICS:
            parameters = {**parameters, RAW_KEPT_NS: str(caller.raw_kept_ns)}
        if coding is None:
            coding = coding_of(request.headers.get("content-encoding"))
        await self._catching_up[signal].pause()
        with self._in_flight.share() as share:
            body = await read_body(request, coding, share)
            await self._admission.of_buckets(request, (caller.byte_bucket,), len(body))
            self.instruments.received_bytes.labels(signal).inc(len(body))
            received_at_ns = self.deps.clock.now_ns()
            envelope = Envelope(
                organization_id=caller.organization_id,
                batch_id=BatchId(uuid7(received_at_ns // _NANOSECONDS_PER_MS)),
                received_at_ns=received_at_ns,
                signal=signal,
                wire_format=wire_format,
                parameters=parameters,
                encoding=coding if coding in _KEPT_CODINGS else IDENTITY,
            )
            plain, parsed = await self._parsed(body, coding, envelope, parse)
            accepted = count(parsed)
            if accepted and not isinstance(parsed, ParsedBulk):
                await self._admission.of_buckets(request, (caller.point_bucket,), len(parsed.batch))
                envelope, parsed = await self._series.judged(request, envelope, parsed)
                accepted = min(accepted, len(parsed.batch))
            if accepted:
                self._hand_over(envelope, plain, parsed)
                await self._make_durable(envelope, plain if envelope.encoding == IDENTITY else body)
                self.instruments.accepted.labels(signal).inc(accepted)
            return parsed

    async def aside(self, items: int, act: Callable[[], T]) -> T:
        """What `act` makes of that many items, without holding up other requests."""
        if items <= _INLINE_ITEMS:
            return act()
        return await asyncio.get_running_loop().run_in_executor(self._parsers, act)

    async def _parsed(self, body: bytes, coding: str, envelope: Envelope, parse: Parse[P]) -> tuple[bytes, P]:
        def work() -> tuple[bytes, P]:
            plain = decompress(body, coding)
            return plain, parse(plain, envelope)

        if coding == IDENTITY and len(body) <= _INLINE_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._parsers, work)

    def _hand_over(self, envelope: Envelope, plain: bytes, parsed: ParsedPoints | ParsedBulk) -> None:
        if isinstance(parsed, ParsedBulk):
            self.deps.shared.events.offer(envelope, plain, parsed.batch)
        else:
            self.deps.shared.points.offer(envelope, plain, parsed.batch)

    async def _make_durable(self, envelope: Envelope, stored: bytes) -> None:
        shared = self.deps.shared
        handed = shared.points if envelope.signal is Signal.METRICS else shared.events
        try:
            future = self.deps.spools[envelope.signal].append(envelope, stored)
        except StrataError:
            handed.withdraw(envelope.batch_id)
            raise
        # Also when nobody waits for it any more: the record may still become durable.
        future.add_done_callback(partial(handed.settle, envelope.batch_id))
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), REQUEST_TIMEOUT_S)
        except TimeoutError:
            raise UnavailableError("the ingest spool is too slow", code="spool_slow", retry_after_s=5) from None
