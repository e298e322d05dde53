"""Does harm by a schedule that its seed decides."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import redis

from chaos.ledger import Ledger
from scenario.processes import Process

Harm = Callable[[random.Random], None]


class Nemesis:
    """Of equal harms and an equal seed, the same harms come in the same order with the same rests between them."""

    def __init__(self, seed: int, harms: Mapping[str, Harm], ledger: Ledger) -> None:
        self._random = random.Random(seed)
        self._harms = harms
        self._ledger = ledger
        self._pause = threading.Event()

    def rage(self, rounds: int, *, rest_s: tuple[float, float] = (0.5, 3.0)) -> list[str]:
        """The names of what it did."""
        done = []
        for _ in range(rounds):
            name = self._random.choice(sorted(self._harms))
            self._ledger.note("harm begins", name=name)
            self._harms[name](self._random)
            self._ledger.note("harm ends", name=name)
            done.append(name)
            self._pause.wait(self._random.uniform(*rest_s))
        return done


def child(process: Process, name: str) -> psutil.Process:
    """The topmost process of this name below it."""
    for found in psutil.Process(process.pid).children(recursive=True):
        if name in found.name():
            return found
    raise AssertionError(f"no child called {name}")


def kill_child(process: Process, name: str) -> None:
    """Unless it is dead already, from the harm before."""
    with suppress(psutil.NoSuchProcess, AssertionError):
        child(process, name).kill()


def pause(victims: list[psutil.Process], pause_s: float) -> None:
    """SIGSTOP, and SIGCONT after a while: what a suspended virtual machine looks like from outside."""
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.suspend()
    threading.Event().wait(pause_s)
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.resume()


def flush(client: redis.Redis, times: int, pause_s: float) -> None:
    """FLUSHALL, again and again. A server that is down has nothing left to be flushed."""
    for _ in range(times):
        with suppress(redis.RedisError):
            client.flushall()
        threading.Event().wait(pause_s)


@contextmanager
def flushing(url: str, every_s: float) -> Iterator[list[bool]]:
    """FLUSHALL in the background until the block ends. Tells of each that was answered."""
    stopping, answered = threading.Event(), list[bool]()

    def keep_flushing() -> None:
        while not stopping.wait(every_s):
            # A server that is down has nothing left to be flushed.
            with suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=2) as client:
                answered.append(client.flushall())

    thread = threading.Thread(target=keep_flushing, name="flushing")
    thread.start()
    try:
        yield answered
    finally:
        stopping.set()
        thread.join(10)


def embedded_valkey(data_dir: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(data_dir / "run/valkey.sock"), socket_timeout=2)
