"""A fresh `strata up` on a data directory of its own, and what it says of itself."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import psutil  # type: ignore[import-untyped]

from bench.cores import Cores, on_core
from bench.failure import BenchError
from strata_core.quotas.rules import Quota

_READY_S: Final = 90.0
_STOP_S: Final = 60.0
_CALL_S: Final = 60.0
_POLL_S: Final = 0.1
_PLENTY: Final = 1_000_000_000
_RAISED: Final = (
    Quota.API_REQUESTS,
    Quota.API_REQUESTS_OF_A_KEY,
    Quota.INGEST_POINTS,
    Quota.NEW_SERIES,
    Quota.SERIES,
)
_BIN: Final = Path(sys.executable).parent
NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})
_UNTUNED: Final = Path(__file__).with_name("untuned_server.py")
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Ask = Callable[[str, dict[str, object]], dict[str, Any]]
"""A question to a path of the organization's API."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of user and system time: of the server's own process, and of all processes below it."""

    own_s: float
    children_s: float

    @property
    def all_s(self) -> float:
        return self.own_s + self.children_s

    def since(self, earlier: "Cpu") -> "Cpu":
        return Cpu(self.own_s - earlier.own_s, self.children_s - earlier.children_s)


class Server:
    """Made by `fresh_server`. Everything it says comes over HTTP or from the process table."""

    def __init__(self, pid: int, data_dir: Path, api_port: int, ingest_port: int, tenant: dict[str, Any]) -> None:
        self._process = psutil.Process(pid)
        self.data_dir = data_dir
        self.api_port = api_port
        self.ingest_port = ingest_port
        self.ingest_key: str = tenant["keys"]["ingest"]
        self.admin_key: str = tenant["keys"]["admin"]
        self.slug: str = tenant["org"]["slug"]

    def cpu(self) -> Cpu:
        own = self._process.cpu_times()
        below = own.children_user + own.children_system
        for child in self._process.children(recursive=True):
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            below += times.user + times.system + times.children_user + times.children_system
        return Cpu(own.user + own.system, below)

    def main_thread_cpu_s(self) -> float:
        """Of the thread that answers, of the server's process: the rest is loops, and what answers left to be done."""
        return sum(
            float(each.user_time + each.system_time) for each in self._process.threads() if each.id == self._process.pid
        )

    def resident_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    def ask(self, path: str, question: dict[str, object]) -> dict[str, Any]:
        """A question to the organization's API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}/api/v1/orgs/{self.slug}/{path}",
            data=json.dumps(question).encode(),
            headers={"Authorization": f"Bearer {self.admin_key}", "Content-Type": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=_CALL_S) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise BenchError(f"{path} answered {error.code}: {error.read()[:300].decode(errors='replace')}") from error

    def written(self, kind: str) -> int:
        """Points or events that the writer has put into their store."""
        figures = _got(self.ingest_port, "/metrics")
        for counter in ("strata_writer_dead_letters_total", "strata_writer_lost_total"):
            if _counted(figures, counter, kind):
                raise BenchError(f"{counter} is not 0")
        return _counted(figures, "strata_writer_written_total", kind)

    def wait_until_written(self, kind: str, count: int, timeout_s: float) -> None:
        """Exactly `count`: more is as wrong as fewer."""
        ends_s = time.monotonic() + timeout_s
        while (written := self.written(kind)) < count:
            if time.monotonic() > ends_s:
                raise BenchError(f"{written} of {count} {kind} are in their store after {timeout_s:g} s")
            time.sleep(_POLL_S)
        if written > count:
            raise BenchError(f"{written} {kind} were written, but {count} were sent")


@contextmanager
def fresh_server(cores: Cores, *, is_tuned: bool = True, settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[Server]:
    """With an organization, ready for load. `is_tuned`: the allocator settings of `strata up` are in force."""
    directory = Path(tempfile.mkdtemp(prefix="strata-bench-"))
    log = directory / "up.log"
    environment = _environment(directory / "data") | dict(settings)
    command = [str(_BIN / "strata"), "up"] if is_tuned else [sys.executable, str(_UNTUNED)]
    try:
        with on_core(cores.server), log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            api_port, ingest_port = int(environment["STRATA_API_PORT"]), int(environment["STRATA_INGEST_PORT"])
            _wait_until_ready(process, (api_port, ingest_port))
            with on_core(cores.load):
                tenant = _organization(environment)
            yield Server(process.pid, directory / "data", api_port, ingest_port, tenant)
        finally:
            _stop(process)
    except BenchError as error:
        raise BenchError(f"{error}\n--- end of the server's log ---\n{_end_of(log)}") from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _environment(data_dir: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRATA_", "MALLOC_"))}
    api_port, ingest_port = _free_ports()
    return {
        **kept,
        "STRATA_DATA_DIR": str(data_dir),
        "STRATA_API_PORT": str(api_port),
        "STRATA_INGEST_PORT": str(ingest_port),
        "STRATA_LOG_FORMAT": "json",
        "STRATA_LOG_LEVEL": "warning",
    }


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def _organization(environment: dict[str, str]) -> dict[str, Any]:
    """With quotas that no row reaches: what is measured is work, and not where it is cut off."""
    words = ["init", "--org", "bench", "--email", "bench@bench.test", "--password-stdin", "--json"]
    tenant: dict[str, Any] = json.loads(_command(environment, words, given="no secret, gone in a minute\n"))
    for name in _RAISED:
        _command(environment, ["quotas", "set", "--org", "bench", "--name", name, "--value", str(_PLENTY)])
    return tenant


def _command(environment: dict[str, str], words: list[str], *, given: str = "") -> str:
    done = subprocess.run(
        [str(_BIN / "strata"), *words],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=_READY_S,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"strata {words[0]} failed: {done.stderr}")
    return done.stdout


def _wait_until_ready(process: "subprocess.Popen[bytes]", ports: tuple[int, int]) -> None:
    ends_s = time.monotonic() + _READY_S
    while not all(_is_ready(port) for port in ports):
        if process.poll() is not None:
            raise BenchError(f"the server ended at its start with {process.returncode}")
        if time.monotonic() > ends_s:
            raise BenchError(f"the server was not ready within {_READY_S:g} s")
        time.sleep(_POLL_S)


def _is_ready(port: int) -> bool:
    try:
        return bool(_got(port, "/readyz"))
    except OSError:
        return False


def _got(port: int, path: str) -> str:
    with _OPENER.open(f"http://127.0.0.1:{port}{path}", timeout=_CALL_S) as response:
        text: str = response.read().decode()
        return text


def _counted(figures: str, counter: str, kind: str) -> int:
    found = re.search(rf'^{counter}\{{signal="{kind}"\}} (\S+)$', figures, re.MULTILINE)
    return int(float(found[1])) if found else 0


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Gently, then by force: its children are in its session and go with it."""
    for act in _endings(process):
        if process.poll() is not None:
            return
        act()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            continue


def _endings(process: "subprocess.Popen[bytes]") -> tuple[Callable[[], None], ...]:
    return process.terminate, lambda: os.killpg(process.pid, signal.SIGKILL)


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-3000:] if log.exists() else ""
