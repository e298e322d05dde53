"""A small company's machines, as a function of time: the same instant always looks the same."""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strata_core.instants import shown_instant

STEP_S: Final = 10
INCIDENT_EVERY_S: Final = 5_400
INCIDENT_LASTS_S: Final = 480


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    datacenter: str
    role: str
    base_cpu: float
    base_memory: float


@dataclass(frozen=True, slots=True)
class Application:
    name: str
    endpoints: tuple[str, ...]
    requests_per_step: float
    latency_ms: float


MACHINES: Final = (
    Machine("web1", "fra1", "web", 32, 48),
    Machine("web2", "fra1", "web", 30, 47),
    Machine("web3", "ams1", "web", 35, 51),
    Machine("db1", "fra1", "database", 41, 72),
    Machine("db2", "ams1", "database", 18, 70),
    Machine("cache1", "fra1", "cache", 12, 63),
    Machine("worker1", "fra1", "worker", 55, 40),
    Machine("worker2", "ams1", "worker", 52, 42),
)
APPLICATIONS: Final = (
    Application("checkout", ("/cart", "/pay"), 180, 85),
    Application("search", ("/query", "/suggest"), 420, 40),
    Application("accounts", ("/login", "/profile"), 90, 55),
)
_CALM: Final = (
    ("info", "request served in {ms} ms"),
    ("info", "session renewed for customer {n}"),
    ("info", "cache refreshed, {n} entries"),
    ("debug", "connection returned to the pool, {n} idle"),
    ("warn", "slow query took {ms} ms: SELECT FROM orders"),
)
_TROUBLED: Final = (
    ("error", "connection refused by db1:5432, attempt {n}"),
    ("error", "payment provider timed out after {ms} ms"),
    ("warn", "queue is {n} messages behind"),
    ("fatal", "worker ran out of memory, restarting"),
)


def troubled_machine(second: int) -> Machine | None:
    """Whose turn it is to have an incident, if it is anybody's."""
    turn, into = divmod(second, INCIDENT_EVERY_S)
    return MACHINES[turn % len(MACHINES)] if into < INCIDENT_LASTS_S else None


def metric_lines(second: int) -> Iterator[str]:
    """Line protocol, second precision, of everything that reports at this instant."""
    trouble = troubled_machine(second)
    for machine in MACHINES:
        noise = _noise(second, machine.name)
        wave = 1 + 0.35 * math.sin(second / 86_400 * 2 * math.pi - 2.1)
        cpu = min(99.5, machine.base_cpu * wave + noise.gauss(0, 3) + (52 if machine is trouble else 0))
        memory = min(98.0, machine.base_memory + noise.gauss(0, 1.2) + (21 if machine is trouble else 0))
        disk = 35 + (second / 3600 + len(machine.name) * 7) % 55
        tags = f"host={machine.name},environment=production,datacenter={machine.datacenter}"
        for kind, value in (("cpu", cpu), ("memory", memory), ("disk", disk)):
            yield (
                f"system_metrics,{tags},metric_type={kind},unit=percent "
                f"value={max(0.0, value):.2f},threshold_warning=80,threshold_critical=90 {second}"
            )
        yield f"network,{tags} bytes_in={second * 1_200 + len(machine.name) * 977}i {second}"
    for application in APPLICATIONS:
        yield from _application_lines(application, second, is_troubled=trouble is not None)


def _application_lines(application: Application, second: int, *, is_troubled: bool) -> Iterator[str]:
    noise = _noise(second, application.name)
    for endpoint in application.endpoints:
        latency = application.latency_ms * (1 + abs(noise.gauss(0, 0.25))) * (4.5 if is_troubled else 1)
        for status, share in ((200, 0.985), (500, 0.12 if is_troubled else 0.004)):
            count = max(0, round(application.requests_per_step * share * (1 + noise.gauss(0, 0.1))))
            yield (
                f"application_metrics,service_id={application.name},application_name={application.name},"
                f"metric_name=http_requests,environment=production,endpoint={endpoint},method=GET,status_code={status} "
                f"value={latency:.1f},count={count},rate={count / STEP_S:.2f} {second}"
            )


def log_documents(second: int) -> Iterator[str]:
    """`_bulk` lines of this instant."""
    noise = _noise(second, "logs")
    trouble = troubled_machine(second)
    for _ in range(noise.randrange(2, 6) + (6 if trouble else 0)):
        application = noise.choice(APPLICATIONS)
        machine = trouble if trouble and noise.random() < 0.7 else noise.choice(MACHINES)
        level, text = noise.choice(_TROUBLED if machine is trouble else _CALM)
        at = datetime.fromtimestamp(second, UTC).replace(microsecond=noise.randrange(1_000_000))
        document = {
            "@timestamp": shown_instant(at),
            "level": level,
            "message": text.format(ms=noise.randrange(20, 4_000), n=noise.randrange(1, 500)),
            "host": machine.name,
            "service": application.name,
            "tags": {"datacenter": machine.datacenter, "role": machine.role},
            "trace_id": f"{noise.getrandbits(64):016x}",
        }
        yield '{"index":{}}'
        yield json.dumps(document, separators=(",", ":"))


def _noise(second: int, name: str) -> random.Random:
    return random.Random(f"{second}-{name}")  # noqa: S311 - believable, not secret
