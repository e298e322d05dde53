"""PostgreSQL's settings for one small machine. On the command line at each start: a new version brings new ones."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

SMALL_MACHINE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "max_connections": "100",
        "superuser_reserved_connections": "5",  # the health check and `strata doctor` get in when the pool is used up
        "shared_buffers": "128MB",
        "effective_cache_size": "512MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "64MB",
        "huge_pages": "off",
        "io_method": "sync",  # no i/o worker processes beside DuckDB and tantivy on two cores
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
        "random_page_cost": "1.1",
        "dynamic_shared_memory_type": "mmap",  # containers have little /dev/shm; logind empties it at log-out
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_level": "replica",  # pg_basebackup works
        "max_wal_senders": "2",
        "min_wal_size": "64MB",
        "max_wal_size": "512MB",
        "wal_compression": "on",
        "checkpoint_timeout": "10min",
        "autovacuum_naptime": "30s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",  # the readiness check reads them
        "log_destination": "stderr",
        "logging_collector": "off",  # its files grow until the day is over; ours are bounded by size (output.py)
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_checkpoints": "off",
    }
)


def option_list(socket_directory: Path, port: int, extra: Mapping[str, str]) -> list[str]:
    """`-c name=value` for each. Where it listens cannot be overridden."""
    quoted_directory = str(socket_directory).replace('"', '""')
    settings = {
        **SMALL_MACHINE,
        **extra,
        "listen_addresses": "",
        "port": str(port),  # only a part of the socket's name
        "unix_socket_directories": f'"{quoted_directory}"',
        "unix_socket_permissions": "0700",
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
