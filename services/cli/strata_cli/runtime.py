"""Opens what a command needs: the data directory, embedded servers where settings ask for them, the schema, stores."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from strata_stores.embedded.directory import DataDirectory, running_instance
from strata_stores.embedded.supervisor import EmbeddedServers
from strata_stores.factory import (
    Relational,
    ServerUrls,
    Stores,
    embedded_urls,
    open_relational,
    open_stores,
    server_urls,
)
from strata_stores.postgres.migrating import upgrade
from strata_stores.postgres.roles import allow_local_login
from strata_stores.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """A process that owns its data directory."""

    settings: Settings
    directory: DataDirectory
    servers: EmbeddedServers | None
    stores: Stores


@contextmanager
def owned_runtime(settings: Settings, command: str) -> Iterator[Runtime]:
    """For `up`: everything, migrated and open. Closed in reverse, the embedded servers last."""
    with ExitStack() as stack:
        directory = stack.enter_context(DataDirectory(settings.data_dir, command=command))
        servers = _start_servers(settings, directory, stack)
        urls = _urls(settings, servers)
        _migrate(settings, urls)
        stores = stack.enter_context(open_stores(settings, urls, with_system=True))
        yield Runtime(settings, directory, servers, stores)


@contextmanager
def shared_stores(settings: Settings, *, with_system: bool) -> Iterator[Stores]:
    """For a role in a process of its own, on servers. The schema is brought up by `strata db upgrade`, not by roles."""
    with open_stores(settings, server_urls(settings), with_system=with_system) as stores:
        yield stores


@contextmanager
def relational_urls(settings: Settings, command: str) -> Iterator[ServerUrls]:
    """For administration: of the servers in the settings, of the embedded ones that a running `strata up` holds, or of
    embedded ones started for this command alone."""
    if not settings.is_embedded("relational_url"):
        yield server_urls(settings)
        return
    running = running_instance(settings.data_dir)
    if running is not None and running.relational_url is not None:
        yield embedded_urls(settings, running.relational_url, running.redis_url)
        return
    with ExitStack() as stack:
        directory = stack.enter_context(DataDirectory(settings.data_dir, command=command))
        servers = _start_servers(settings, directory, stack)
        urls = _urls(settings, servers)
        _migrate(settings, urls)
        yield urls


@contextmanager
def administration(settings: Settings, command: str) -> Iterator[Relational]:
    """The relational side alone, for commands that work beside a running Strata and without one."""
    with relational_urls(settings, command) as urls, open_relational(settings, urls, with_system=True) as relational:
        yield relational


def _start_servers(settings: Settings, directory: DataDirectory, stack: ExitStack) -> EmbeddedServers | None:
    if settings.is_embedded("relational_url") or settings.is_embedded("redis_url"):
        return stack.enter_context(EmbeddedServers(directory))
    return None


def _urls(settings: Settings, servers: EmbeddedServers | None) -> ServerUrls:
    if servers is None:
        return server_urls(settings)
    return embedded_urls(settings, servers.urls.relational_url, servers.urls.redis_url)


def _migrate(settings: Settings, urls: ServerUrls) -> None:
    upgrade(urls.relational.owner.get_secret_value())
    if settings.is_embedded("relational_url"):
        allow_local_login(urls.relational.owner.get_secret_value())
