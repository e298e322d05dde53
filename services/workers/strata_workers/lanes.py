"""Threads for work that may hang: one that does is left behind, and holds up neither the rest nor the process's end."""

import queue
import threading
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)
Work = Callable[[], None]
_SPARE: Final = 32


class Lanes:
    """`at_once` threads at rest and at work; those left behind are replaced, up to so many that something is wrong
    beyond one bad step."""

    def __init__(self, at_once: int, name: str) -> None:
        self._at_once = at_once
        self._name = name
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._left_behind = 0
        self._lock = threading.Lock()

    def submit(self, work: Work) -> None:
        with self._lock:
            wanted = min(self._at_once + self._left_behind, self._at_once + _SPARE)
            if len(self._threads) < wanted:
                name = f"{self._name}-{len(self._threads)}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # There is no memory for one more at the moment: those that are there have the work.
                    if not self._threads:
                        raise
                else:
                    self._threads.append(thread)
        self._waiting.put(work)

    def leave_behind(self, change: int) -> None:
        """One more thread hangs, or one less."""
        with self._lock:
            self._left_behind += change

    def close(self, timeout_s: float) -> None:
        """Waits for what is under way, but not for what hangs."""
        with self._lock:
            threads, hanging = list(self._threads), self._left_behind
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            if hanging and thread.is_alive():
                thread.join(0.1)
            else:
                thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            work = self._waiting.get()
            if work is None:
                return
            try:
                work()
            except Exception:
                # Nobody waits for this thread, who could tell.
                log.exception("lane_work_failed", lane=self._name)
