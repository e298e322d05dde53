"""What the ingest service needs from outside. Composed in bootstrap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from strata_core.ports.clock import Clock
from strata_core.ports.live_bus import LiveBus
from strata_core.ports.rate_limiter import RateLimiter
from strata_core.ports.spool import Spool
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.health import StoreHealth
from strata_datamodel.limits import ADDRESS_REQUESTS_PER_SECOND
from strata_datamodel.spooling import Signal
from strata_ingest.hand_over import Shared
from strata_ingest.tombstones import Closed, NoneClosed

Check = Callable[[], StoreHealth]


@dataclass(frozen=True, slots=True)
class IngestDeps:
    """`checks` are what `/readyz` asks, by name; each must come back within a time of its own and never raise."""

    units: UnitsOfWork
    spools: Mapping[Signal, Spool]
    clock: Clock
    registry: CollectorRegistry
    rate_limiter: RateLimiter
    checks: Mapping[str, Check] = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)
    address_requests_per_second: int = ADDRESS_REQUESTS_PER_SECOND
    live_bus: LiveBus | None = None
    closed: Closed = field(default_factory=NoneClosed)
