"""A Prometheus of its own, on an empty directory: the one that tests compare with."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.cores import on_core
from bench.failure import LackingError
from native_stores.cache import ensure_installed
from native_stores.catalogue import KINDS, version_of
from native_stores.children import kill_group
from native_stores.kind import NativeStoreError
from native_stores.running import start


class PrometheusServer:
    """Made by `prometheus_server`."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self._process = psutil.Process(pid)

    def cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def prometheus_server(core: int | None) -> Iterator[PrometheusServer]:
    """Raises LackingError, with what to install, where there is none."""
    kind = KINDS["prometheus"]
    version = version_of(kind)
    try:
        home = ensure_installed(kind, version)
    except NativeStoreError as error:
        raise LackingError(str(error)) from error
    work = Path(tempfile.mkdtemp(prefix="strata-bench-prometheus-"))
    try:
        with on_core(core):
            launch, url = start(kind, version, home, work)
        try:
            yield PrometheusServer(url, launch.process.pid)
        finally:
            kill_group(launch.process)
    finally:
        shutil.rmtree(work, ignore_errors=True)
