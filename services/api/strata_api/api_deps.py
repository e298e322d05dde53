"""What the API is composed of. Its bootstrap fills this in; nothing here knows which store stands behind a port."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from prometheus_client import CollectorRegistry

from strata_api.http_figures import HttpFigures
from strata_api.paging import Cursors
from strata_api.read_recorder import ReadRecorder
from strata_core.caching.read_through import ReadThrough
from strata_core.latest.nowhere import Nowhere
from strata_core.latest.queries import LatestOfHosts
from strata_core.mail.links import LinkKey
from strata_core.ports.cache import Cache
from strata_core.ports.clock import Clock
from strata_core.ports.identity_provider import IdentityProviders
from strata_core.ports.known_passwords import KnownPasswords
from strata_core.ports.latest_values import LatestValues
from strata_core.ports.list_reader import ListReader
from strata_core.ports.live_bus import LiveBus
from strata_core.ports.log_store import LogStore
from strata_core.ports.metric_readings import AskedMetrics
from strata_core.ports.passkey_ceremonies import PasskeyCeremonies
from strata_core.ports.password_hasher import PasswordHasher
from strata_core.ports.rate_limiter import RateLimiter
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.rollups.knowledge import TierStates
from strata_core.rollups.queries import TierState, tier_state
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import ADDRESS_REQUESTS_PER_SECOND


@dataclass(frozen=True, slots=True)
class ApiDeps:
    units: UnitsOfWork
    metric_store: AskedMetrics
    log_store: LogStore
    search_index: SearchIndex
    cache: Cache
    clock: Clock
    password_hasher: PasswordHasher
    known_passwords: KnownPasswords
    passkeys: PasskeyCeremonies
    identity_providers: IdentityProviders
    secret_box: SecretBox
    rate_limiter: RateLimiter
    health_checks: Callable[[], Sequence[StoreHealth]]
    cursor_key: bytes = field(repr=False)
    """32 random bytes, the same in every process: cursors are sealed with it."""
    link_key: LinkKey = field(repr=False)
    """The same in every process: links in mails are made with it."""
    live_bus: LiveBus | None = None
    """Tells other processes at once who may not do any more what they could; None where there is no other."""
    latest_values: LatestValues = field(default_factory=Nowhere)
    copies: ListReader | None = None
    """Where lists are read that may be seconds old; None where there is no replica."""
    public_url: str | None = None
    """Where browsers reach the API when a proxy changes the host they see."""
    has_self_service: bool = False
    """Whether people make organizations by themselves."""
    version: str = "0"
    address_requests_per_second: int = ADDRESS_REQUESTS_PER_SECOND
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    figures: HttpFigures = field(init=False)
    cursors: Cursors = field(init=False)
    reads: ReadRecorder = field(init=False)
    answers: ReadThrough = field(init=False)
    latest: LatestOfHosts = field(init=False)
    tier_states: TierStates = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", HttpFigures(self.registry))
        object.__setattr__(self, "cursors", Cursors(self.cursor_key))
        object.__setattr__(self, "answers", ReadThrough(self.cache, self.clock))
        object.__setattr__(self, "latest", LatestOfHosts(self.latest_values, self.metric_store))
        object.__setattr__(self, "tier_states", TierStates(self._look_at_tiers, self.clock))
        object.__setattr__(self, "reads", ReadRecorder(self.units, self.secret_box))

    def _look_at_tiers(self, organization_id: OrganizationId, now_ns: int) -> TierState:
        with self.units.organization(organization_id) as uow:
            return tier_state(uow, now_ns)


async def injected(request: Request) -> ApiDeps:
    return deps_of(request)


def deps_of(request: Request) -> ApiDeps:
    deps: ApiDeps = request.app.state.deps
    return deps
