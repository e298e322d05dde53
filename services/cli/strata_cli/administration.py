"""The relational side, for commands that work beside a running Strata and without one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from strata_stores.embedded.directory import DataDirectory, running_instance
from strata_stores.embedded.supervisor import EmbeddedServers
from strata_stores.postgres.migrating import upgrade
from strata_stores.postgres.roles import allow_local_login
from strata_stores.relational import Relational, ServerUrls, embedded_urls, open_relational, server_urls
from strata_stores.settings import Settings


@contextmanager
def relational_urls(settings: Settings, command: str, *, is_migrated: bool = True) -> Iterator[ServerUrls]:
    """Of the servers in the settings, of the embedded ones that a running `strata up` holds, or of embedded ones
    started for this command alone, whose schema is brought up if `is_migrated`."""
    if not settings.is_embedded("relational_url"):
        yield server_urls(settings)
        return
    running = running_instance(settings.data_dir)
    if running is not None and running.relational_url is not None:
        yield embedded_urls(settings, running.relational_url, running.redis_url)
        return
    with ExitStack() as stack:
        directory = stack.enter_context(DataDirectory(settings.data_dir, command=command))
        urls, _ = start_servers(settings, directory, stack, is_migrated=is_migrated)
        yield urls


@contextmanager
def administration(settings: Settings, command: str) -> Iterator[Relational]:
    with relational_urls(settings, command) as urls, open_relational(settings, urls, with_system=True) as relational:
        yield relational


def start_servers(
    settings: Settings, directory: DataDirectory, stack: ExitStack, *, is_migrated: bool = True
) -> tuple[ServerUrls, EmbeddedServers | None]:
    """Embedded servers where the settings ask for them, and the schema brought up: but for commands that look at it or
    change it themselves."""
    urls, servers = server_urls(settings), None
    if settings.is_embedded("relational_url") or settings.is_embedded("redis_url"):
        servers = stack.enter_context(EmbeddedServers(directory))
        urls = embedded_urls(settings, servers.urls.relational_url, servers.urls.redis_url)
    owner = urls.relational.owner.get_secret_value()
    if is_migrated:
        upgrade(owner)
        if settings.is_embedded("relational_url"):
            allow_local_login(owner)
    return urls, servers
