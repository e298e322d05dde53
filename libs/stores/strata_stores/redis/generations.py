"""What tells whether something in Redis still counts: the generation of its kind, and the life of the server."""

import contextlib
import functools
import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

import redis

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_stores.breaker import Breaker
from strata_stores.redis.calling import STORE, Calls
from strata_stores.redis.connecting import connect
from strata_stores.redis.entries import GENERATION_BYTES
from strata_stores.redis.server_life import ServerLife

T = TypeVar("T")
GENERATION_TTL_S: Final = 7 * 24 * 3600
_UNSENT: Final = 10_000
_PER_CALL: Final = 500


class Generations:
    """Drawn at random: one that was lost (eviction, FLUSHALL) never comes back by counting again."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        breaker: Breaker | None,
        *,
        connect_timeout_s: float,
        timeout_s: float,
        max_connections: int,
    ) -> None:
        self._life = ServerLife()
        self.client = connect(
            url,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            max_connections=max_connections,
            on_connect=self._life.learn,
        )
        self._calls = Calls(self.client, clock, breaker or Breaker(STORE, clock), timeout_s=timeout_s)
        self._lock = threading.Lock()
        self._unsent: OrderedDict[tuple[OrganizationId, str], object] = OrderedDict()

    @property
    def failures_total(self) -> int:
        return self._calls.failures_total

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def call(self, command: Callable[[redis.Redis], T]) -> T:
        return self._calls.call(command)

    def life(self) -> str:
        """The server's, once all that was to be invalidated is: the first part of every key after the organization. An
        invalidation that met a server that was down must not be forgotten: its entries are there again with the server.
        Raises StoreUnavailableError."""
        if not self._life.name:
            self.call(lambda client: client.ping())
        while self._unsent:
            with self._lock:
                batch = list(itertools.islice(self._unsent.items(), _PER_CALL))
            life = self._life.name
            names = [generation_key(*place, life) for place, _ in batch]
            self.call(functools.partial(_renew, names=names))
            if life != self._life.name:
                continue
            with self._lock:
                for place, wish in batch:
                    if self._unsent.get(place) is wish:  # else it was wished again meanwhile
                        del self._unsent[place]
        return self._life.name

    def is_still(self, life: str) -> bool:
        """Asked after a call that was made for `life`: it may have been the first to a server that came back."""
        return life == self._life.name

    def drawn(self, name: str) -> bytes:
        """The present generation under a key that was found empty."""
        fresh = secrets.token_bytes(GENERATION_BYTES)
        stored = self.call(lambda client: client.set(name, fresh, nx=True, get=True, ex=GENERATION_TTL_S))
        return cast("bytes | None", stored) or fresh

    def invalidate(self, organization_id: OrganizationId, kind: str) -> bool:
        with self._lock:
            self._unsent[organization_id, kind] = object()
            while len(self._unsent) > _UNSENT:
                self._unsent.popitem(last=False)
        self.send()
        return (organization_id, kind) not in self._unsent

    def send(self) -> None:
        with contextlib.suppress(StoreUnavailableError):  # every later call tries again before anything else
            self.life()

    def health(self) -> StoreHealth:
        self.send()
        return self._calls.health(STORE)

    def close(self) -> None:
        self._calls.close()


def generation_key(organization_id: OrganizationId, kind: str, life: str) -> str:
    return f"{organization_id}:{life}:generation:{kind}"


def _renew(client: redis.Redis, names: Sequence[str]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.set(name, secrets.token_bytes(GENERATION_BYTES), ex=GENERATION_TTL_S)
        pipeline.execute()
