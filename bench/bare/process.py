"""Runs one function in a fresh process on the server's core."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final, TypeVar

from bench.cores import stay_on
from bench.failure import BenchError

P = TypeVar("P")
_LIMIT_S: Final = 600.0


def in_fresh_process(act: Callable[[P], dict[str, float]], given: P, core: int | None) -> dict[str, float]:
    """`act` is a module's function; its figures come back."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, act, given, core), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(_LIMIT_S):
            raise BenchError(f"{act.__name__} took longer than {_LIMIT_S:g} s")
        answer: dict[str, float] | BenchError = ours.recv()
    except EOFError:
        raise BenchError(f"{act.__name__} ended without an answer") from None
    finally:
        ours.close()
        process.kill()
        process.join()
    if isinstance(answer, BenchError):
        raise answer
    return answer


def _run(pipe: "Connection[object, object]", act: Callable[[P], dict[str, float]], given: P, core: int | None) -> None:
    stay_on(core)
    try:
        pipe.send(act(given))
    except BenchError as error:
        pipe.send(error)
