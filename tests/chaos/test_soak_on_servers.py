"""The same schedule of harms to one process a role and two workers, on servers, with proxies before the stores."""

import base64
import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis

from chaos.nemesis import Harm, flush, pause
from chaos.soaking import MINUTES, SEED, soak
from chaos.world import World, open_world
from faults.kinds import BlackHole, CutReply, Fault, Latency, Refuse, Reset
from faults.proxy import FaultProxy
from scenario.processes import Process, Tenant, command, free_port, make_tenant
from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.embedded.valkey import EmbeddedValkey
from waiting import eventually

FAULTS: tuple[Fault, ...] = (Refuse(), BlackHole(), Reset(), CutReply(), CutReply(after_bytes=60), Latency(0.3, 0.3))
PAST_EVERY_SAGA_LEASE_S = 12
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(MINUTES * 60 + 900)]


@dataclass
class Servers:
    environment: dict[str, str]
    roles: dict[str, tuple[Process, int]]
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    metrics: FaultProxy
    logs: FaultProxy

    def start(self, name: str) -> None:
        process, port = self.roles[name]
        process.start()
        process.wait_until_ready(port)

    def tenant(self, slug: str) -> Tenant:
        return make_tenant(slug, self.environment, self.roles["api"][1], self.roles["ingest"][1])

    def await_health(self) -> None:
        for process, port in self.roles.values():
            process.wait_until_ready(port, 120)


@pytest.fixture
def servers(
    tmp_path: Path, influx_url: str, influx_database: str, elastic_url: str, elastic_prefix: str, fault_proxy
) -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="strata-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = EmbeddedPostgres(folder / "pg", folder / "run")
        valkey = EmbeddedValkey(folder / "valkey", folder / "vrun/valkey.sock")
        for server in (postgres, valkey):
            server.start()
            stack.callback(server.stop)
        postgres.create_database("strata")
        metrics, logs = fault_proxy(influx_url), fault_proxy(elastic_url)
        environment = {
            "STRATA_DATA_DIR": str(folder / "data"),
            "STRATA_RELATIONAL_URL": postgres.url(),
            "STRATA_REDIS_URL": valkey.url(),
            "STRATA_METRICS_URL": metrics.url,
            "STRATA_METRICS_DATABASE": influx_database,
            "STRATA_LOGS_URL": logs.url,
            "STRATA_LOGS_PREFIX": elastic_prefix,
            "STRATA_ARCHIVE_URL": (folder / "archive").as_uri(),
            "STRATA_WRAPPING_KEY": base64.b64encode(b"k" * 32).decode(),
        }
        roles = {}
        for name, role, option in (
            ("api", "api", "--api-port"),
            ("ingest", "ingest", "--ingest-port"),
            ("one worker", "worker", "--probe-port"),
            ("another worker", "worker", "--probe-port"),
        ):
            port = free_port()
            log = tmp_path / f"{name.replace(' ', '-')}.log"
            roles[name] = (Process([role, option, str(port)], environment, log), port)
        migrated = command(["db", "upgrade", "--json"], environment)
        assert migrated.returncode == 0, migrated.stderr + migrated.stdout
        running = Servers(environment, roles, postgres, valkey, metrics, logs)
        for name in roles:
            running.start(name)
        yield running
        codes = {name: process.stop() for name, (process, _) in roles.items()}
        assert set(codes.values()) == {0}, codes


@pytest.fixture
def world(servers, ledger, pager, tmp_path) -> Iterator[World]:
    processes = [process for process, _ in servers.roles.values()]
    with open_world(servers.tenant, processes, servers.environment, ledger, pager, tmp_path) as world:
        yield world


def harms_to(servers: Servers) -> Mapping[str, Harm]:
    valkey = redis.Redis(unix_socket_path=str(servers.valkey.socket_path), socket_timeout=2)

    def kill_role(name: str) -> Harm:
        def kill(_: random.Random) -> None:
            servers.roles[name][0].kill()
            servers.start(name)

        return kill

    def pause_role(name: str, pause_s: float) -> Harm:
        return lambda _: pause([psutil.Process(servers.roles[name][0].pid)], pause_s)

    def kill_server(server: EmbeddedPostgres | EmbeddedValkey) -> Harm:
        def kill(choice: random.Random) -> None:
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            eventually(lambda: not server.is_alive(), 30)
            threading.Event().wait(choice.uniform(0, 3))
            server.start()

        return kill

    def break_proxy(proxy: FaultProxy) -> Harm:
        def hurt(choice: random.Random) -> None:
            proxy.set(choice.choice(FAULTS))
            threading.Event().wait(choice.uniform(1, 8))
            proxy.heal()

        return hurt

    return {
        "the api is killed": kill_role("api"),
        "ingest is killed": kill_role("ingest"),
        "a worker is killed": kill_role("one worker"),
        "a worker is paused past its leases": pause_role("another worker", PAST_EVERY_SAGA_LEASE_S),
        "postgres is killed": kill_server(servers.postgres),
        "valkey is killed": kill_server(servers.valkey),
        "valkey is flushed": lambda choice: flush(valkey, choice.randint(1, 10), 0.5),
        "the way to the metric store breaks": break_proxy(servers.metrics),
        "the way to the log store breaks": break_proxy(servers.logs),
    }


def test_the_invariants_hold_on_servers_under_a_seeded_schedule_of_harms(servers, world, record_property):
    record_property("seed", SEED)
    eventually(lambda: all(sender.least_acknowledged > 5 for sender in world.senders), 60)
    soak(world, harms_to(servers), servers.await_health)
