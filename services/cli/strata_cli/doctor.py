"""`strata doctor`: each store, and what to do where one is not well."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
from sqlalchemy import text

from strata_cli.rendering import EXIT_PROBLEM, out, print_json, print_table
from strata_cli.runtime import owned_runtime, shared_stores
from strata_datamodel.errors import StrataError
from strata_datamodel.health import StoreHealth
from strata_datamodel.limits import MIB
from strata_stores.embedded.directory import RunningInstance, running_instance
from strata_stores.factory import Stores
from strata_stores.settings import Settings

SKEW_S: Final = 2.0
LOW_DISK_BYTES: Final = 2048 * MIB
_PROBE_TIMEOUT_S: Final = 10.0
_ADVICE: Final = {
    "postgres": "check STRATA_RELATIONAL_URL, that the server runs and that its roles exist (strata db upgrade)",
    "redis": "check STRATA_REDIS_URL; until it answers, Strata is slower but loses nothing",
    "metrics": "check STRATA_METRICS_URL and STRATA_METRICS_TOKEN; accepted points wait in the spool",
    "logs": "check STRATA_LOGS_URL and STRATA_LOGS_API_KEY; accepted events wait in the spool",
    "archive": "check STRATA_ARCHIVE_URL and the credentials of the object store",
    "disk": "free space, or move the data with --data-dir",
    "clock": "synchronise clocks (chrony, systemd-timesyncd): late and future data is judged by them",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is empty when all is well."""

    subject: str
    is_well: bool
    detail: str
    version: str = ""
    advice: str = ""


def run_doctor(settings: Settings, *, as_json: bool) -> int:
    """The exit code: 0 when everything is well."""
    findings = [_disk(settings), *_examine(settings)]
    is_well = all(finding.is_well for finding in findings)
    if as_json:
        print_json({"is_well": is_well, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [("ok" if item.is_well else "PROBLEM", item.subject, item.version, item.detail) for item in findings]
        print_table(("", "what", "version", "detail"), rows)
        for item in findings:
            if item.advice:
                out.print(f"\n{item.subject}: {item.advice}", markup=False)
    return 0 if is_well else EXIT_PROBLEM


def _examine(settings: Settings) -> Iterator[Finding]:
    """Asks a Strata that runs on this data directory, which alone can look into embedded stores; else opens them."""
    running = running_instance(settings.data_dir)
    if running is None and settings.is_embedded("relational_url") and not settings.data_dir.exists():
        yield Finding("data", is_well=True, detail=f"nothing at {settings.data_dir} yet: the first start makes it")
        return
    try:
        if running is not None:
            yield from _ask(running)
        elif any(settings.is_embedded(name) for name in ("relational_url", "redis_url", "metrics_url", "logs_url")):
            with owned_runtime(settings, "strata doctor", is_migrated=False) as runtime:
                yield from _look(runtime.stores)
        else:
            with shared_stores(settings, with_system=False) as stores:
                yield from _look(stores)
    except StrataError as error:
        yield Finding("start", is_well=False, detail=error.detail, advice=error.hint or "see the reason above")


def _look(stores: Stores) -> Iterator[Finding]:
    for health in stores.health():
        yield _finding(health)
    yield _clock(stores)


def _finding(health: StoreHealth) -> Finding:
    took = f" ({health.latency_ms:.1f} ms)" if health.latency_ms is not None else ""
    advice = "" if health.is_ready else _ADVICE.get(health.store, "see the log of the process")
    return Finding(health.store, health.is_ready, f"{health.detail}{took}", health.version, advice)


def _ask(running: RunningInstance) -> Iterator[Finding]:
    started = f"process {running.pid}, since {running.started_at:%Y-%m-%d %H:%M:%S}"
    if running.api_url is None:
        yield Finding("strata", is_well=False, detail=f"{started}: still starting", advice="try again in a moment")
        return
    yield Finding("strata", is_well=True, detail=f"{started}, at {running.api_url}")
    try:
        answer = httpx.get(f"{running.api_url}/readyz", timeout=_PROBE_TIMEOUT_S, trust_env=False)
        stores = answer.json()["stores"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield Finding("api", is_well=False, detail=type(error).__name__, advice="see the log of the process")
        return
    for item in stores:
        health = StoreHealth(
            item["store"], item["is_ready"], item["detail"], item.get("version", ""), item.get("latency_ms")
        )
        yield _finding(health)


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    is_well = free >= LOW_DISK_BYTES
    return Finding("disk", is_well, f"{free // MIB} MiB free at {place}", advice="" if is_well else _ADVICE["disk"])


def _clock(stores: Stores) -> Finding:
    """Against PostgreSQL's, which leases and due times go by."""
    clock = stores.clock
    before = clock.now()
    with stores.units.credential("doctor") as uow:
        theirs: datetime = uow.execute(text("SELECT clock_timestamp()")).scalar_one()
    middle = before + (clock.now() - before) / 2
    skew_s = (theirs.astimezone(UTC) - middle).total_seconds()
    is_well = abs(skew_s) <= SKEW_S
    advice = "" if is_well else _ADVICE["clock"]
    return Finding("clock", is_well, f"{skew_s:+.3f} s against PostgreSQL", advice=advice)
