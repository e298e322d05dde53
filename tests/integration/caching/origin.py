"""An origin that a test holds, breaks and counts."""

import threading
from dataclasses import dataclass, field

from strata_core.caching.read_through import Made
from strata_datamodel.errors import StoreUnavailableError


@dataclass(slots=True)
class Origin:
    body: bytes = b"first"
    version: int = 1
    asked: int = 0
    at_once: int = 0
    most_at_once: int = 0
    is_down: bool = False
    is_empty: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    """Between having read and answering."""
    has_read: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.set()

    def make(self) -> Made:
        with self._lock:
            self.asked += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            made = Made(self.body, self.version, self.is_empty)
            is_down = self.is_down
        try:
            self.has_read.set()
            assert self.gate.wait(20), "a test forgot to open the gate"
            if is_down:
                raise StoreUnavailableError("metrics", "is down")
            return made
        finally:
            with self._lock:
                self.at_once -= 1

    def change(self, body: bytes) -> None:
        with self._lock:
            self.body, self.version = body, self.version + 1
