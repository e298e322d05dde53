"""Runs one or two HTTP applications in one process until a signal, and drains them."""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from strata_cli.collecting import settle
from strata_datamodel.errors import ConflictError

DRAIN_S = 20
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listener:
    """An application on a port. `title` is for people."""

    title: str
    app: FastAPI
    host: str
    port: int
    trusted_proxies: Sequence[str] = ()
    """Addresses and networks whose word on whom they speak for is taken."""


class _Server(uvicorn.Server):
    """Signals belong to the process, not to one of its servers."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def bind(listener: Listener) -> socket.socket:
    """Bound before anything is announced, so that a taken port is an error at start with its number in it."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((listener.host, listener.port))
    except OSError as error:
        sock.close()
        raise ConflictError(
            f"{listener.title}: cannot listen on {listener.host}:{listener.port}: {error.strerror}",
            code="port_taken",
            hint="choose another with --api-port and --ingest-port (STRATA_API_PORT, STRATA_INGEST_PORT)",
        ) from error
    sock.listen(_BACKLOG)
    return sock


def serve(listeners: Sequence[Listener], *, on_ready: Callable[[], None] = lambda: None) -> None:
    """Returns once a SIGINT or SIGTERM came and the requests under way were answered, or DRAIN_S passed. A second
    signal ends the waiting."""
    sockets = [bind(listener) for listener in listeners]
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(listeners, sockets, on_ready))
    finally:
        for sock in sockets:
            sock.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop  # noqa: PLC0415 - absent on platforms it does not support

    return uvloop.new_event_loop


async def _serve(listeners: Sequence[Listener], sockets: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    servers = [_Server(server_config(listener)) for listener in listeners]

    def stop() -> None:
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    running = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in zip(servers, sockets, strict=True)]
    ready = asyncio.create_task(_announce(servers, on_ready))
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True  # not `stop`: one that has drained is no reason to cut the others short
    ready.cancel()
    await asyncio.gather(*running)


async def _announce(servers: Sequence[uvicorn.Server], on_ready: Callable[[], None]) -> None:
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn tells by this flag alone
        await asyncio.sleep(0.01)
    settle()
    on_ready()


def server_config(listener: Listener) -> uvicorn.Config:
    """How every server of ours is set."""
    return uvicorn.Config(
        listener.app,
        host=listener.host,
        port=listener.port,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nobody may say from where they come but trusted proxies: uvicorn by itself believes 127.0.0.1.
        proxy_headers=bool(listener.trusted_proxies),
        forwarded_allow_ips=list(listener.trusted_proxies),
        date_header=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=None,
    )
