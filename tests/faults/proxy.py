"""A TCP proxy on loopback that any test can put in front of a store, and break."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from faults.kinds import Bandwidth, BlackHole, CutReply, CutRequest, Fault, Latency, PassThrough, Refuse, Reset

Upstream = tuple[str, int] | Path
_T = TypeVar("_T")
_CHUNK_BYTES = 65_536
_TICK_S = 0.05
_LINGER_RESET = struct.pack("ii", 1, 0)  # close() then sends RST, and drops what was not sent
_ANSWERS_WITHIN_S = 10.0


class Link:
    """One client's connection, and ours to the store for it."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.store: asyncio.StreamWriter | None = None
        self.bytes_to_store = 0
        self.bytes_to_client = 0

    def reset(self) -> None:
        for writer in (self.client, self.store):
            if writer is not None:
                _reset(writer)


class FaultProxy:
    """Listens from construction to close(). A fault set from the test's thread is in force when `set` returns."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        # Bound, never listening: it keeps the port ours while nobody listens on it.
        self._reservation = _bound_socket(0)
        self.host, self.port = "127.0.0.1", int(self._reservation.getsockname()[1])
        self.connections = 0
        self.bytes_to_store = 0
        self.bytes_to_client = 0
        self.faults_fired = 0
        self._fault: Fault = PassThrough()
        self._firings_left: int | None = None
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._run(self._listen())

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def open_connections(self) -> int:
        return len(self._links)

    def set(self, fault: Fault, *, times: int | None = None) -> None:
        """Has this fault from now on; with `times`, heals when it has hit that many connections."""
        if times is not None and not isinstance(fault, Reset | CutRequest | CutReply):
            raise ValueError(f"{fault} does not hit connections one by one: heal it yourself")
        self._run(self._switch(fault, times))

    def lead_to(self, upstream: Upstream) -> None:
        """For new connections: the store was started again somewhere else."""
        self._upstream = upstream

    def heal(self) -> None:
        self.set(PassThrough())

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._run(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWERS_WITHIN_S)
        self._loop.close()
        self._reservation.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_ANSWERS_WITHIN_S)

    async def _listen(self) -> None:
        listener = _bound_socket(self.port)
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def _shut_down(self) -> None:
        self._stop_listening()
        for link in list(self._links):
            link.reset()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _switch(self, fault: Fault, times: int | None) -> None:
        self._fault, self._firings_left = fault, times
        for link in self._links:  # "after so many bytes" counts from now
            link.bytes_to_store = link.bytes_to_client = 0
        if isinstance(fault, Refuse):
            self._stop_listening()
        elif self._server is None:
            await self._listen()
        if isinstance(fault, Refuse | Reset):
            for link in list(self._links):
                link.reset()
        self._tell_waiting()

    def _fire(self) -> None:
        """Counts a connection that was hit, and heals after the last of those asked for."""
        self.faults_fired += 1
        if self._firings_left is not None:
            self._firings_left -= 1
            if self._firings_left <= 0:
                self._fault, self._firings_left = PassThrough(), None
                self._tell_waiting()

    def _tell_waiting(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        self._links.add(link)
        try:
            if isinstance(self._fault, Reset):
                self._fire()
                return
            await self._while_black_hole()
            store_reader, link.store = await self._connect()
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._to_store(reader, link, link.store))
                both_ways.create_task(self._to_client(store_reader, link))
            await _close_politely(link.client)
            await _close_politely(link.store)
        except* OSError:
            pass  # either side is gone; the other is told by the reset below
        finally:
            link.reset()
            self._links.discard(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, Path):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection(*self._upstream)

    async def _to_store(self, reader: asyncio.StreamReader, link: Link, store: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._while_black_hole()
            fault = self._fault
            if isinstance(fault, Latency):
                await self._delay(fault.to_store_s)
            if isinstance(fault, CutRequest):
                chunk = chunk[: max(0, fault.after_bytes - link.bytes_to_store)]
            link.bytes_to_store += len(chunk)
            self.bytes_to_store += len(chunk)
            await self._send(store, chunk)
            if isinstance(fault, CutRequest) and link.bytes_to_store >= fault.after_bytes:
                self._cut()
        store.write_eof()

    async def _to_client(self, reader: asyncio.StreamReader, link: Link) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._while_black_hole()
            fault = self._fault
            if isinstance(fault, Latency):
                await self._delay(fault.to_client_s)
            if isinstance(fault, CutReply):
                chunk = chunk[: max(0, fault.after_bytes - link.bytes_to_client)]
            link.bytes_to_client += len(chunk)
            self.bytes_to_client += len(chunk)
            await self._send(link.client, chunk)
            if isinstance(fault, CutReply) and link.bytes_to_client >= fault.after_bytes:
                self._cut()
        link.client.write_eof()

    async def _send(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        while chunk and isinstance(fault := self._fault, Bandwidth):
            slice_bytes = max(1, int(fault.bytes_per_s * _TICK_S))
            part, chunk = chunk[:slice_bytes], chunk[slice_bytes:]
            writer.write(part)
            await writer.drain()
            await self._delay(len(part) / fault.bytes_per_s)
        writer.write(chunk)
        await writer.drain()

    def _cut(self) -> None:
        self._fire()
        raise ConnectionResetError("cut by the proxy")

    async def _while_black_hole(self) -> None:
        while isinstance(self._fault, BlackHole):
            await self._changed.wait()

    async def _delay(self, seconds: float) -> None:
        """Ends early when the fault changes: what was held up arrives then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    writer.transport.abort()


async def _close_politely(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
