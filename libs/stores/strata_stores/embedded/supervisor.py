"""Starts the embedded servers in order, keeps them up, and stops them in reverse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Final, Self

from strata_stores.embedded.directory import DataDirectory
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.embedded.watch import ServerStatus, Watch

DATABASE: Final = "strata"
CHECK_EVERY_S: Final = 2.0
_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EmbeddedUrls:
    """`relational_url` is the superuser's, for migrations: they make the roles that everything else connects as."""

    relational_url: str
    redis_url: str


class EmbeddedServers:
    """PostgreSQL and Valkey of a directory that the caller owns (has acquired)."""

    def __init__(
        self,
        directory: DataDirectory,
        *,
        on_restart: Callable[[str], None] = lambda _name: None,
        postgres_settings: Mapping[str, str] = _NO_SETTINGS,
        valkey_settings: Mapping[str, str] = _NO_SETTINGS,
        check_every_s: float = CHECK_EVERY_S,
    ) -> None:
        self._directory = directory
        self.postgres = EmbeddedPostgres(directory.postgres, directory.postgres_socket_dir, settings=postgres_settings)
        self.valkey = EmbeddedValkey(directory.valkey, directory.valkey_socket, settings=valkey_settings)
        self._watches = [Watch(server, on_restart, check_every_s) for server in (self.postgres, self.valkey)]

    @property
    def urls(self) -> EmbeddedUrls:
        return EmbeddedUrls(self.postgres.url(database=DATABASE), self.valkey.url())

    def start(self) -> None:
        """Returns when both answer, the database exists and the URLs are announced; else nothing is left running."""
        try:
            for watch in self._watches:
                watch.start()
            self.postgres.create_database(DATABASE)
            self._directory.announce(relational_url=self.urls.relational_url, redis_url=self.urls.redis_url)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Idempotent."""
        for watch in reversed(self._watches):
            watch.stop()

    def status(self) -> tuple[ServerStatus, ...]:
        return tuple(watch.status for watch in self._watches)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
