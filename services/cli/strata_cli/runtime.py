"""Opens every store, for a process that owns its data directory or for a role on servers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from strata_cli.administration import start_servers
from strata_stores.embedded.directory import DataDirectory
from strata_stores.embedded.supervisor import EmbeddedServers
from strata_stores.factory import Stores, open_stores
from strata_stores.relational import ServerUrls, server_urls
from strata_stores.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """A process that owns its data directory."""

    settings: Settings
    directory: DataDirectory
    servers: EmbeddedServers | None
    stores: Stores
    urls: ServerUrls


@contextmanager
def owned_runtime(settings: Settings, command: str, *, is_migrated: bool = True) -> Iterator[Runtime]:
    """Everything, migrated and open. Closed in reverse, the embedded servers last."""
    with ExitStack() as stack:
        directory = stack.enter_context(DataDirectory(settings.data_dir, command=command))
        urls, servers = start_servers(settings, directory, stack, is_migrated=is_migrated)
        stores = stack.enter_context(open_stores(settings, urls, with_system=True))
        yield Runtime(settings, directory, servers, stores, urls)


@contextmanager
def shared_stores(settings: Settings, *, with_system: bool) -> Iterator[Stores]:
    """For a role in a process of its own. The schema is brought up by `strata db upgrade`, not by roles."""
    with open_stores(settings, server_urls(settings), with_system=with_system) as stores:
        yield stores
