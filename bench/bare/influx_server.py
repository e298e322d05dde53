"""An InfluxDB of its own, on an empty directory: the one `tools/native_stores` compiles for tests."""

import shutil
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from bench.cores import on_core
from native_stores.cache import ensure_installed
from native_stores.catalogue import KINDS, version_of
from native_stores.children import kill_group
from native_stores.running import start

DATABASE: Final = "bench"
_POLICY: Final = "raw"
BUCKET: Final = f"{DATABASE}/{_POLICY}"
_CALL_S: Final = 30.0
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class InfluxServer:
    """Made by `influx_server`."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self._process = psutil.Process(pid)

    def cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def make_bucket(self) -> None:
        """Where lines go that are sent to it directly, with shards as long as those Strata makes."""
        for statement in (
            f'CREATE DATABASE "{DATABASE}"',
            f'CREATE RETENTION POLICY "{_POLICY}" ON "{DATABASE}" DURATION 7d REPLICATION 1 SHARD DURATION 1d',
        ):
            body = urllib.parse.urlencode({"q": statement}).encode()
            _OPENER.open(f"{self.url}/query", body, timeout=_CALL_S).close()


@contextmanager
def influx_server(core: int | None) -> Iterator[InfluxServer]:
    kind = KINDS["influx"]
    version = version_of(kind)
    work = Path(tempfile.mkdtemp(prefix="strata-bench-influx-"))
    try:
        with on_core(core):
            launch, url = start(kind, version, ensure_installed(kind, version), work)
        try:
            yield InfluxServer(url, launch.process.pid)
        finally:
            kill_group(launch.process)
    finally:
        shutil.rmtree(work, ignore_errors=True)
