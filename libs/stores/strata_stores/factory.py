"""Picks an adapter for each port by URL. Nothing else in the code asks which mode it runs in."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr
from rq import Queue

from strata_core.cells.knowledge import Placements
from strata_core.cells.queries import placement_of
from strata_core.cells.rules import DEFAULT_CELL, Placement
from strata_core.cells.stores import CellStore, CellStores
from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.archive import Archive
from strata_core.ports.cache import Cache
from strata_core.ports.clock import Clock
from strata_core.ports.doorbell import Doorbell
from strata_core.ports.latest_values import LatestValues
from strata_core.ports.list_reader import ListReader
from strata_core.ports.live_bus import LiveBus
from strata_core.ports.log_store import LogStore
from strata_core.ports.mailer import Mailer
from strata_core.ports.metric_tiers import MetricTiers
from strata_core.ports.notifier import Notifier
from strata_core.ports.password_hasher import PasswordHasher
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_stores.anchoring import open_anchor_signer, open_configured_archive
from strata_stores.breaker import Breaker
from strata_stores.cell_settings import CellSettings
from strata_stores.cells import RoutedMetricStore, healths, store_name
from strata_stores.channels.mail import SmtpMailer
from strata_stores.channels.smtp_url import smtp_server
from strata_stores.channels.webhook import WebhookNotifier
from strata_stores.duckdb.metric_store import DuckDbMetricStore
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.elastic.search_index import ElasticSearchIndex
from strata_stores.influx.metric_store import InfluxMetricStore
from strata_stores.null.mailer import MailDirectory
from strata_stores.passwords.argon2 import Argon2PasswordHasher
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.doorbell import RqDoorbell
from strata_stores.redis.latest_values import RedisLatestValues
from strata_stores.redis.live_bus import RedisLiveBus
from strata_stores.redis.rate_limiter import RedisRateLimiter
from strata_stores.relational import ServerUrls, open_relational
from strata_stores.secrets.keyring import WrappingKeyring
from strata_stores.settings import Settings
from strata_stores.tantivy.log_store import TantivyLogStore
from strata_stores.tantivy.search_index import TantivySearchIndex

_METRIC_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Stores:
    """Every port, open. `system_units` is None in processes that may not see all organizations."""

    clock: Clock
    units: UnitsOfWork
    system_units: SystemUnitsOfWork | None
    metric_store: CellStore
    metric_tiers: MetricTiers
    cells: CellStores
    log_store: LogStore
    search_index: SearchIndex
    cache: Cache
    latest_values: LatestValues
    rate_limiter: RedisRateLimiter
    live_bus: LiveBus
    doorbell: Doorbell
    ring_queue: Callable[[], Queue]
    archive: Archive
    anchor_signer: AnchorSigner
    notifier: Notifier
    mailer: Mailer
    secret_box: SecretBox
    password_hasher: PasswordHasher
    keyring: WrappingKeyring
    ring_key: bytes = field(repr=False)
    breakers: tuple[Breaker, ...]
    relational_health: Callable[[], StoreHealth]
    copies: ListReader | None = None
    replica_health: Callable[[], list[StoreHealth]] = list

    def health(self) -> list[StoreHealth]:
        """All at once: one that hangs makes none of the others late."""
        checks = {
            "postgresql": self.relational_health,
            "redis": self.cache.health,
            "logs": self.log_store.health,
            "search": self.search_index.health,
            "archive": self.archive.health,
        }
        with ThreadPoolExecutor(len(checks) + 1, thread_name_prefix="health") as pool:
            metrics = pool.submit(healths, self.cells)
            others = [*pool.map(lambda check: check(), checks.values())]
            return [*others[:2], *metrics.result(), *others[2:], *self.replica_health()]


@contextmanager
def open_stores(settings: Settings, urls: ServerUrls, *, with_system: bool) -> Iterator[Stores]:
    with ExitStack() as stack:
        relational = stack.enter_context(open_relational(settings, urls, with_system=with_system))
        clock = relational.clock
        redis_breaker = Breaker("redis", clock)
        logs_breaker, archive_breaker = Breaker("logs", clock), Breaker("archive", clock)
        search_breaker = Breaker("search", clock)
        mail_breaker = Breaker("mail", clock)
        redis_url = urls.redis.get_secret_value()
        cells, metrics_breakers = open_metric_cells(settings, clock)
        metric_store = metric_store_of(cells, relational.units, clock)
        stack.callback(metric_store.close)
        log_store = open_log_store(settings, clock, logs_breaker)
        stack.callback(log_store.close)
        search_index = open_search_index(settings, clock, search_breaker)
        stack.callback(search_index.close)
        for prepare in (metric_store.prepare, log_store.prepare, search_index.prepare):
            _try(prepare)
        cache = RedisCache(redis_url, clock, breaker=redis_breaker)
        stack.callback(cache.close)
        live_bus = RedisLiveBus(redis_url, clock, breaker=redis_breaker)
        stack.callback(live_bus.close)
        rate_limiter = RedisRateLimiter(redis_url, clock, breaker=redis_breaker)
        stack.callback(rate_limiter.close)
        ring_key = relational.keyring.derive("doorbell")
        doorbell = RqDoorbell(redis_url, clock, ring_key=ring_key, breaker=redis_breaker)
        stack.callback(doorbell.close)
        hasher = Argon2PasswordHasher()
        stack.callback(hasher.close)
        yield Stores(
            clock=clock,
            units=relational.units,
            system_units=relational.system_units,
            metric_store=metric_store,
            metric_tiers=metric_store,
            cells=cells,
            log_store=log_store,
            search_index=search_index,
            cache=cache,
            latest_values=RedisLatestValues(cache.generations, clock),
            rate_limiter=rate_limiter,
            live_bus=live_bus,
            doorbell=doorbell,
            ring_queue=doorbell.worker_queue,
            ring_key=ring_key,
            archive=open_configured_archive(settings, archive_breaker),
            anchor_signer=open_anchor_signer(settings, relational.keyring),
            notifier=WebhookNotifier(clock, allowed_networks=settings.outbound_allow, ca_file=settings.ca_file),
            mailer=_mailer(settings, clock, mail_breaker),
            secret_box=relational.secret_box,
            password_hasher=hasher,
            keyring=relational.keyring,
            breakers=(
                relational.breaker,
                redis_breaker,
                *metrics_breakers,
                logs_breaker,
                search_breaker,
                archive_breaker,
                mail_breaker,
            ),
            relational_health=relational.health,
            copies=relational.copies,
            replica_health=list if relational.copies is None else relational.copies.health,
        )


def _try(prepare: Callable[[], None]) -> None:
    """A store that is down when a process starts is no reason not to start: writers prepare it again before use."""
    try:
        prepare()
    except StoreUnavailableError:
        return


def open_metric_cells(settings: Settings, clock: Clock) -> tuple[CellStores, list[Breaker]]:
    """Each with a breaker of its own: what one of them does says nothing of the others."""
    breakers = {name: Breaker(store_name(name), clock) for name in settings.metric_cells}
    stores = {name: open_cell(settings, name, clock, breaker) for name, breaker in breakers.items()}
    return CellStores(stores, settings.cell_for_new), list(breakers.values())


def metric_store_of(cells: CellStores, units: UnitsOfWork, clock: Clock) -> CellStore:
    """With one cell there is nothing to find out."""
    if len(cells.stores) == 1:
        return cells.of(DEFAULT_CELL)

    def look(organization_id: OrganizationId) -> Placement:
        with units.organization(organization_id) as uow:
            return placement_of(uow)

    return RoutedMetricStore(cells, Placements(look, clock))


def open_cell(
    settings: Settings, name: str, clock: Clock, breaker: Breaker, *, delete_timeout_s: float = 300.0
) -> DuckDbMetricStore | InfluxMetricStore:
    cell = settings.metric_cells[name]
    if cell.is_embedded:
        return DuckDbMetricStore(
            _inside(cell_directory(settings, name)),
            clock,
            memory_limit=f"{settings.metrics_memory_bytes // MIB}MiB",
            threads=min(_METRIC_THREADS, _available_cores()),
            delete_timeout_s=delete_timeout_s,
            breaker=breaker,
        )
    return _open_influx(settings, cell, clock, breaker, delete_timeout_s)


def cell_directory(settings: Settings, name: str) -> Path:
    return settings.data_dir / ("metrics" if name == DEFAULT_CELL else f"metrics-{name}")


def _open_influx(
    settings: Settings, cell: CellSettings, clock: Clock, breaker: Breaker, delete_timeout_s: float
) -> InfluxMetricStore:
    url, username, password = _without_credentials(cell.url)
    return InfluxMetricStore(
        url,
        clock,
        token=cell.token.get_secret_value() if cell.token else None,
        username=username,
        password=password,
        organization=cell.organization,
        database=cell.database,
        ca_file=settings.ca_file,
        delete_timeout_s=delete_timeout_s,
        breaker=breaker,
    )


def _available_cores() -> int:
    """Those this process may run on, where the system can tell: in a container they are fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_log_store(settings: Settings, clock: Clock, breaker: Breaker) -> TantivyLogStore | ElasticLogStore:
    if settings.is_embedded("logs_url"):
        return TantivyLogStore(_inside(settings.data_dir / "logs"), clock, breaker=breaker)
    url, username, password = _without_credentials(settings.logs_url)
    return ElasticLogStore(
        url,
        clock,
        api_key=settings.logs_api_key.get_secret_value() if settings.logs_api_key else None,
        basic_auth=(username, password) if username and password else None,
        ca_certs=str(settings.ca_file) if settings.ca_file else None,
        prefix=settings.logs_prefix,
        breaker=breaker,
    )


def open_search_index(settings: Settings, clock: Clock, breaker: Breaker) -> SearchIndex:
    """Beside the logs, wherever those are."""
    if settings.is_embedded("logs_url"):
        return TantivySearchIndex(settings.data_dir / "search", clock, breaker=breaker)
    url, username, password = _without_credentials(settings.logs_url)
    return ElasticSearchIndex(
        url,
        clock,
        api_key=settings.logs_api_key.get_secret_value() if settings.logs_api_key else None,
        basic_auth=(username, password) if username and password else None,
        ca_certs=str(settings.ca_file) if settings.ca_file else None,
        prefix=settings.logs_prefix,
        breaker=breaker,
    )


def _mailer(settings: Settings, clock: Clock, breaker: Breaker) -> Mailer:
    if settings.smtp_url is None:
        return MailDirectory(settings.data_dir / "mail", settings.mail_from)
    server = smtp_server(settings.smtp_url.get_secret_value())
    return SmtpMailer(server, settings.mail_from, clock, ca_file=settings.ca_file, breaker=breaker)


def _without_credentials(url: SecretStr) -> tuple[str, str | None, str | None]:
    """Clients repeat their URL in errors and logs: user and password go to them apart."""
    parts = urlsplit(url.get_secret_value())
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    user = unquote(parts.username) if parts.username else None
    return urlunsplit(bare), user, unquote(parts.password) if parts.password else None


def _inside(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
