"""Opens the relational side alone: what administration needs, without loading the drivers of the other stores."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr
from sqlalchemy import Engine

from strata_core.ports.clock import Clock
from strata_core.ports.data_keys import DataKeys
from strata_core.ports.key_rotation import RotatingSecretBox
from strata_core.ports.list_reader import ListReader
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import InvalidError
from strata_datamodel.health import StoreHealth
from strata_datamodel.limits import REQUESTS_AT_ONCE
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.postgres.data_keys import PostgresDataKeys
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.health import relational_health
from strata_stores.postgres.replicas import Replica, RoutedReads
from strata_stores.postgres.roles import APP, WORKER
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKeyring, add_key_in_front
from strata_stores.settings import RelationalUrls, Settings

_APP_CONNECTIONS: Final = REQUESTS_AT_ONCE + 4  # one organization at its limit leaves some to the others
_KEY_CONNECTIONS: Final = 2
"""Looking up a key waits for nothing but the database, and most keys are remembered."""


@dataclass(frozen=True, slots=True)
class ServerUrls:
    relational: RelationalUrls
    redis: SecretStr


def server_urls(settings: Settings) -> ServerUrls:
    """Roles without a URL of their own share the one there is, and act as their role on it."""
    base = settings.relational_url
    worker, owner = settings.relational_worker_url or base, settings.relational_owner_url or base
    return ServerUrls(RelationalUrls(app=base, worker=worker, owner=owner), settings.redis_url)


def embedded_urls(settings: Settings, relational_url: str, redis_url: str | None) -> ServerUrls:
    """Of the embedded servers, for those stores that are embedded."""
    urls = server_urls(settings)
    relational = urls.relational
    if settings.is_embedded("relational_url"):
        relational = RelationalUrls(
            app=SecretStr(_as_user(relational_url, APP)),
            worker=SecretStr(_as_user(relational_url, WORKER)),
            owner=SecretStr(relational_url),
        )
    redis = SecretStr(redis_url or "") if settings.is_embedded("redis_url") else urls.redis
    return ServerUrls(relational, redis)


def _as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}@"))


@dataclass(frozen=True, slots=True)
class Relational:
    """PostgreSQL as the app, and as the worker where the process may be one."""

    clock: Clock
    units: UnitsOfWork
    system_units: SystemUnitsOfWork | None
    secret_box: RotatingSecretBox
    data_keys: DataKeys
    keyring: WrappingKeyring
    breaker: Breaker
    health: Callable[[], StoreHealth]
    copies: RoutedReads | None
    """Lists that may be seconds old; None where there is no replica."""


@contextmanager
def open_relational(settings: Settings, urls: ServerUrls, *, with_system: bool) -> Iterator[Relational]:
    clock = SystemClock()
    breaker = Breaker("postgres", clock)
    keyring = open_keyring(settings)
    with ExitStack() as stack:
        app_url = urls.relational.app.get_secret_value()
        app = open_engine(app_url, role=APP, pool_size=_APP_CONNECTIONS, application="strata-app")
        stack.callback(app.dispose)
        units = PostgresUnitsOfWork(app, clock, breaker)
        system: SystemUnitsOfWork | None = None
        if with_system:
            worker = open_engine(urls.relational.worker.get_secret_value(), role=WORKER, application="strata-worker")
            stack.callback(worker.dispose)
            system = PostgresUnitsOfWork(worker, clock, breaker)
        keys = PostgresDataKeys(stack.enter_context(_units_for_keys(urls.relational, clock, breaker, system)))
        box = AesGcmSecretBox(keys, keyring, clock)
        copies = stack.enter_context(_replicas(settings, units, app, clock))
        yield Relational(
            clock, units, system, box, keys, keyring, breaker, lambda: relational_health(app, clock), copies
        )


@contextmanager
def _replicas(settings: Settings, units: ListReader, app: Engine, clock: Clock) -> Iterator[RoutedReads | None]:
    with ExitStack() as stack:
        replicas = []
        for number, url in enumerate(settings.relational_read_urls, 1):
            name = f"postgresql_replica_{number}"
            engine = open_engine(url.get_secret_value(), role=APP, application="strata-reads")
            stack.callback(engine.dispose)
            replicas.append(Replica(name, engine, Breaker(name, clock)))
        lag_s = settings.relational_read_lag_s
        yield RoutedReads(units, app, replicas, clock, lag_s=lag_s) if replicas else None


@contextmanager
def _units_for_keys(
    urls: RelationalUrls, clock: Clock, breaker: Breaker, system: SystemUnitsOfWork | None
) -> Iterator[UnitsOfWork]:
    """On connections of their own. Secrets are sealed within transactions, and their keys stand apart from those: were
    both to come from one pool, transactions could hold all of it while each waits for one more."""
    url, role = (urls.app, APP) if system is None else (urls.worker, WORKER)
    engine = open_engine(url.get_secret_value(), role=role, pool_size=_KEY_CONNECTIONS, application="strata-keys")
    try:
        yield PostgresUnitsOfWork(engine, clock, breaker)
    finally:
        engine.dispose()


def open_keyring(settings: Settings) -> WrappingKeyring:
    """From the setting, or from a file that is made on first use: embedded mode has nobody to hand it a key."""
    if settings.wrapping_key is not None:
        return WrappingKeyring.from_base64(settings.wrapping_key.get_secret_value())
    return WrappingKeyring.from_file(settings.data_dir / "keys" / "wrapping.json")


def add_wrapping_key(settings: Settings) -> str:
    """Puts a new key in front of those in the file; its id. Raises InvalidError where the keys are a setting."""
    if settings.wrapping_key is not None:
        raise InvalidError(
            "the wrapping keys are a setting, which a command cannot change",
            code="keys_in_settings",
            hint="put a new key and a comma before the old one in STRATA_WRAPPING_KEY everywhere, then run this again",
        )
    open_keyring(settings)  # makes the file where there is none yet
    return add_key_in_front(settings.data_dir / "keys" / "wrapping.json").key_id
