"""FastAPI that answers every request with the same bytes, served as Strata serves its own."""

import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psutil  # type: ignore[import-untyped]

from bench.cores import stay_on
from bench.failure import BenchError

_READY_S: Final = 30.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class StaticServer:
    port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def static_server(size_bytes: int, core: int | None) -> Iterator[StaticServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, size_bytes, core), daemon=True)
    process.start()
    try:
        _wait_until_open(port)
        yield StaticServer(port, psutil.Process(process.pid))
    finally:
        process.kill()
        process.join()


def _wait_until_open(port: int) -> None:
    ends_s = time.monotonic() + _READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > ends_s:
                raise BenchError("the bare server was not ready in time") from None
            time.sleep(_POLL_S)
        else:
            return


def _serve(port: int, size_bytes: int, core: int | None) -> None:
    stay_on(core)
    import uvicorn  # noqa: PLC0415 - in this process only, and after it is on its core
    from fastapi import FastAPI, Response  # noqa: PLC0415

    from strata_cli.serving import Listener, server_config  # noqa: PLC0415

    app = FastAPI()
    body = b"x" * size_bytes

    async def static() -> Response:
        return Response(body, media_type="application/json")

    app.add_api_route("/static", static, methods=["POST"])
    config = server_config(Listener("static", app, "127.0.0.1", port))
    config.loop = "uvloop"
    uvicorn.Server(config).run()
