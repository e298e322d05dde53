"""Workers with sagas and events made for being hurt: in this process, or in one of their own that can be killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from chaos.chaos_saga import CHAOS
from chaos.poison import happen
from fakes.memory_data_keys import MemoryDataKeys
from strata_core.context import Context
from strata_core.mail.links import LinkKey
from strata_core.outbox.events import ClaimedEvent
from strata_core.ports.clock import Clock
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import StoreUnavailableError
from strata_stores.archive.object_archive import open_archive
from strata_stores.breaker import Breaker
from strata_stores.clock import ShiftedClock
from strata_stores.null.mailer import MailDirectory
from strata_stores.null.notifier import NullNotifier
from strata_stores.postgres.engine import open_engine
from strata_stores.postgres.roles import WORKER
from strata_stores.postgres.unit_of_work import PostgresUnitsOfWork
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.doorbell import RqDoorbell
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_stores.secrets.signing import Ed25519AnchorSigner
from strata_workers.handlers import Handler
from strata_workers.service import Worker, WorkerDeps
from waiting import eventually

RING_KEY = b"r" * 32
Json = Any


@dataclass(frozen=True)
class Place:
    """Where a worker works. JSON, so that it can be told to another process."""

    database_url: str
    redis_url: str
    archive: str
    mail: str
    queue: str = field(default_factory=lambda: f"q-{uuid4().hex}")


class Down:
    """A store of telemetry that does not answer whatever it is asked."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*_: object, **__: object) -> object:
            raise StoreUnavailableError("telemetry", "is down")

        return call


@contextmanager
def chaos_worker(place: Place, clock: Clock, **changes: Any) -> Iterator[Worker]:
    """With true stores but for telemetry, which neither sagas nor events of chaos touch. Stopped in the end."""
    with ExitStack() as stack:
        engine = open_engine(place.database_url, role=WORKER, pool_size=12)
        stack.callback(engine.dispose)
        breaker = Breaker("postgres", clock, open_s=0.2, max_open_s=1.0)
        bell = RqDoorbell(place.redis_url, clock, ring_key=RING_KEY, queue_name=place.queue)
        stack.callback(bell.close)
        cache = RedisCache(place.redis_url, clock, breaker=Breaker("redis", clock))
        stack.callback(cache.close)
        given = dict[str, Any](
            units=PostgresUnitsOfWork(engine, clock, breaker),
            cache=cache,
            doorbell=bell,
            notifier=NullNotifier(),
            mailer=MailDirectory(Path(place.mail), "strata@sender.test"),
            secret_box=AesGcmSecretBox(MemoryDataKeys(), WrappingKeyring([WrappingKey(b"w" * 32)]), clock),
            archive=open_archive(Path(place.archive).as_uri(), breaker=Breaker("archive", clock)),
            anchor_signer=Ed25519AnchorSigner([b"s" * 32]),
            clock=clock,
            ring_queue=bell.worker_queue,
            ring_key=RING_KEY,
            link_key=LinkKey(b"l" * 32),
            public_url="http://127.0.0.1:8400",
            name=f"chaos-{os.getpid()}-{uuid4().hex[:6]}",
            sagas=(CHAOS,),
        )
        stores_of_telemetry = {each.name: Down() for each in fields(WorkerDeps) if _is_needed(each)}
        worker = Worker(WorkerDeps(**{**stores_of_telemetry, **given, **changes}))
        worker.start()
        stack.callback(worker.stop)
        yield worker


def _is_needed(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


@dataclass
class Faults:
    """What happens at named places, each once in a process: `kill`, `stop` or `hang`."""

    plan: dict[str, str]

    def reached(self, name: str) -> None:
        happen(self.plan.pop(name, ""))


def misbehave(_: Context, __: UnitOfWork, claimed: ClaimedEvent) -> None:
    happen(str(claimed.event.payload.get("how", "")))


HANDLERS: Mapping[str, Handler] = {"chaos.event": misbehave}


class Victim:
    """A worker in a process of its own. `faults` say what happens to it where, `ahead_s` how far its clock is ahead."""

    def __init__(self, place: Place, log: Path, *, faults: Mapping[str, str] | None = None, ahead_s: float = 0) -> None:
        self._place = place
        self._ahead_s = ahead_s
        self._log = log
        self._faults = dict(faults or {})
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> "Victim":
        told = json.dumps({"place": vars(self._place), "faults": self._faults, "ahead_s": self._ahead_s})
        paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, __file__, told], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        return self

    @property
    def process(self) -> psutil.Process:
        assert self._popen is not None
        return psutil.Process(self._popen.pid)

    @property
    def is_alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")[-4000:]

    def until(self, probe: Callable[[], object], timeout_s: float = 60, *, what: str = "it") -> None:
        def is_true() -> object:
            return probe() or (not self.is_alive and self._is_unhurt())

        try:
            eventually(is_true, timeout_s, what=what)
            assert self.is_alive or not self._is_unhurt(), "it ended by itself"
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def _is_unhurt(self) -> bool:
        """Nothing was to happen to it."""
        return not self._faults

    def is_stopped(self) -> bool:
        return self.process.status() == psutil.STATUS_STOPPED

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 60) -> int:
        """The exit code."""
        assert self._popen is not None
        if self._popen.poll() is None:
            self._popen.send_signal(number)
        return self._popen.wait(timeout_s)


def main(told: dict[str, Json]) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    changes = {"fault_points": Faults(told["faults"]), "handlers": HANDLERS}
    clock = ShiftedClock(timedelta(seconds=told["ahead_s"]))
    with chaos_worker(Place(**told["place"]), clock, **changes):
        stopping.wait()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
