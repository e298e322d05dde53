"""Tells other processes at once that somebody may do something else now than a moment ago.

Hints only: who misses one sees the change when what it remembers is a few seconds old."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from strata_core.ports.live_bus import LiveBus
from strata_datamodel.ids import OrganizationId, UserId

_EVERYBODY: Final = OrganizationId(UUID(int=0))
"""No organization: what is told here names whom it is about, and nothing else."""
_TOPIC: Final = "access"
_WAITING: Final = 1_000
_LOOK_S: Final = 0.5
_ID_BYTES: Final = 16
_ORGANIZATION, _PERSON, _SESSIONS = b"o", b"p", b"s"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AccessHint:
    """About an organization and everybody in it, about a person, or, with neither, about whoever has a session."""

    organization_id: OrganizationId | None = None
    user_id: UserId | None = None


ANY_SESSION: Final = AccessHint()
Hear = Callable[[AccessHint], None]


def written(hint: AccessHint) -> bytes:
    if hint.organization_id is not None:
        return _ORGANIZATION + hint.organization_id.bytes
    return _SESSIONS if hint.user_id is None else _PERSON + hint.user_id.bytes


def read(message: bytes) -> AccessHint | None:
    """None for what no release of ours wrote."""
    kind, rest = message[:1], message[1:]
    if kind == _SESSIONS and not rest:
        return ANY_SESSION
    if len(rest) != _ID_BYTES:
        return None
    if kind == _ORGANIZATION:
        return AccessHint(organization_id=OrganizationId(UUID(bytes=rest)))
    return AccessHint(user_id=UserId(UUID(bytes=rest))) if kind == _PERSON else None


class AccessHints:
    """Telling waits for nobody: a thread hands over, and another one hears what all processes tell, this one too.
    Without a bus nobody is told and nothing is heard."""

    def __init__(self, bus: LiveBus | None) -> None:
        self._bus = bus
        self._waiting: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, hear: Hear) -> None:
        """`hear` is called in a thread."""
        if self._bus is None:
            return
        self._threads = [
            threading.Thread(target=self._hand_over, args=(self._bus,), name="access-hints-out", daemon=True),
            threading.Thread(target=self._listen, args=(self._bus, hear), name="access-hints-in", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def tell(self, hint: AccessHint) -> None:
        if self._bus is None:
            return
        try:
            self._waiting.put_nowait(written(hint))
        except queue.Full:
            log.warning("access_hint_dropped")

    def _hand_over(self, bus: LiveBus) -> None:
        while not self._is_over.is_set():
            try:
                message = self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            bus.publish(_EVERYBODY, _TOPIC, message)

    def _listen(self, bus: LiveBus, hear: Hear) -> None:
        with bus.subscribe(_EVERYBODY, _TOPIC) as subscription:
            while not self._is_over.is_set():
                message = subscription.next(_LOOK_S)
                hint = None if message is None else read(message)
                if hint is not None:
                    hear(hint)
