"""Serves an idle application, and one whose request ends when a line comes on stdin, until a signal comes. Each says
when it has drained. Arguments: the ports of both."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from strata_cli.serving import Listener, serve


def said(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def telling(name: str) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        said(f"{name} has drained")

    return lifespan


def main() -> None:
    idle_port, busy_port = int(sys.argv[1]), int(sys.argv[2])
    idle, busy = FastAPI(lifespan=telling("idle")), FastAPI(lifespan=telling("busy"))

    @busy.get("/slow")
    async def slow() -> str:
        said("slow request under way")
        await asyncio.to_thread(sys.stdin.readline)
        return "whole"

    serve([Listener("idle", idle, "127.0.0.1", idle_port), Listener("busy", busy, "127.0.0.1", busy_port)])


main()
