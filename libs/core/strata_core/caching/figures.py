"""What the cache did, counted by kind."""

import threading
from collections import Counter
from enum import StrEnum


class Outcome(StrEnum):
    """How a question was answered."""

    MEMORY = "memory"
    SHARED = "shared"
    WAITED = "waited"
    """By the answer that another caller was getting just then."""
    ORIGIN = "origin"
    STALE = "stale"


class CacheFigures:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[tuple[str, Outcome]] = Counter()
        self._early: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._overtaken: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._most_running: Counter[str] = Counter()

    def answered(self, kind: str, outcome: Outcome) -> None:
        with self._lock:
            self._answers[kind, outcome] += 1

    def refreshed_early(self, kind: str) -> None:
        with self._lock:
            self._early[kind] += 1

    def refused(self, kind: str) -> None:
        with self._lock:
            self._refused[kind] += 1

    def overtaken(self, kind: str) -> None:
        with self._lock:
            self._overtaken[kind] += 1

    def began(self, kind: str) -> None:
        with self._lock:
            self._running[kind] += 1
            self._most_running[kind] = max(self._most_running[kind], self._running[kind])

    def ended(self, kind: str) -> None:
        with self._lock:
            self._running[kind] -= 1

    def answers(self) -> dict[tuple[str, Outcome], int]:
        with self._lock:
            return dict(self._answers)

    def early(self) -> dict[str, int]:
        with self._lock:
            return dict(self._early)

    def refusals(self) -> dict[str, int]:
        """Questions that found the origin asked by as many as may."""
        with self._lock:
            return dict(self._refused)

    def overtakings(self) -> dict[str, int]:
        """Answers that were not kept, since what they were made from had changed, or the cache was down."""
        with self._lock:
            return dict(self._overtaken)

    def running(self) -> dict[str, int]:
        with self._lock:
            return dict(self._running)

    def most_running(self) -> dict[str, int]:
        with self._lock:
            return dict(self._most_running)
