"""A bus that nobody hears."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from strata_datamodel.ids import OrganizationId


class NullSubscription:
    def __init__(self, closed: threading.Event) -> None:
        self._closed = closed

    def next(self, timeout_s: float) -> bytes | None:
        """Waits as one for whom nothing came: a caller's loop must not spin."""
        self._closed.wait(timeout_s)
        return None


class NullLiveBus:
    def __init__(self) -> None:
        self._closed = threading.Event()

    def publish(self, organization_id: OrganizationId, topic: str, message: bytes) -> None:
        """Nobody listens."""

    @contextmanager
    def subscribe(self, organization_id: OrganizationId, topic: str) -> Iterator[NullSubscription]:
        yield NullSubscription(self._closed)

    def close(self) -> None:
        self._closed.set()
