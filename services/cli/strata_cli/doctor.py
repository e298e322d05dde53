"""`strata doctor`: each store, and what to do where one is not well."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import httpx

from strata_cli.fleet import fleet_of
from strata_cli.rendering import EXIT_PROBLEM, out, print_json, print_table
from strata_cli.runtime import owned_runtime, shared_stores
from strata_core.cells.rules import DEFAULT_CELL
from strata_datamodel.errors import StrataError
from strata_datamodel.health import StoreHealth, StoreTrial
from strata_datamodel.limits import MIB
from strata_stores.clock import SystemClock
from strata_stores.embedded.directory import RunningInstance, running_instance
from strata_stores.factory import Stores
from strata_stores.relational import ServerUrls, embedded_urls, server_urls
from strata_stores.settings import Settings
from strata_stores.trials.every_store import try_stores

SKEW_S: Final = 2.0
LOW_DISK_BYTES: Final = 2048 * MIB
_NODE_DISK: Final = "add room or nodes, or keep logs for fewer days: past its flood stage a node takes no writes"
_PROBE_TIMEOUT_S: Final = 10.0
_ADVICE: Final = {
    "postgres": "check STRATA_RELATIONAL_URL, that the server runs and that its roles exist (strata db upgrade)",
    "redis": "check STRATA_REDIS_URL; until it answers, Strata is slower but loses nothing",
    "metrics": "check STRATA_METRICS_URL and STRATA_METRICS_TOKEN; accepted points wait in the spool",
    "logs": "check STRATA_LOGS_URL and STRATA_LOGS_API_KEY; accepted events wait in the spool",
    "search": "check STRATA_LOGS_URL; alerts are listed and sent, but cannot be searched until it answers",
    "archive": "check STRATA_ARCHIVE_URL and the credentials of the object store",
    "disk": "free space, or move the data with --data-dir",
    "workers": "start `strata worker`",
    "worker": "it hangs, was paused, or was killed: restart it. Ten minutes after its end it is forgotten",
    "rollups": "see StrataRollupsBehind in docs/guide/operations.md; points are kept until they are rolled up",
    "clock": "synchronise clocks (chrony, systemd-timesyncd): late and future data is judged by them",
}
_RIGHTS: Final = {
    "postgres": "run `strata db upgrade` as the owner, and compare with docs/security/database-roles.md",
    "redis": "let its user do these on every key and channel (ACL SETUSER … ~* &* +@all -@dangerous +info)",
    "metrics": "give the user all rights on the database, or the token read and write of its buckets and mappings",
    "logs": "give the user the cluster rights monitor and manage_index_templates, and all on its indices",
    "archive": "let the account put, get, list and delete objects below the URL",
    "spool": "let the account that Strata runs as write there, on a file system that is not read-only",
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
            yield from _ask(running, settings)
        elif settings.has_embedded_metrics or any(
            map(settings.is_embedded, ("relational_url", "redis_url", "logs_url"))
        ):
            with owned_runtime(settings, "strata doctor", is_migrated=False) as runtime:
                yield from _look(runtime.stores)
                yield from _try(settings, runtime.urls)
        else:
            with shared_stores(settings, with_system=False) as stores:
                yield from _look(stores)
                yield from map(_finding, fleet_of(stores.units)())
            yield from _try(settings, server_urls(settings))
    except StrataError as error:
        yield Finding("start", is_well=False, detail=error.detail, advice=error.hint or "see the reason above")


def _look(stores: Stores) -> Iterator[Finding]:
    for health in stores.health():
        yield _finding(health)


def _try(settings: Settings, urls: ServerUrls) -> Iterator[Finding]:
    for trial in try_stores(settings, urls, SystemClock()):
        yield _rights(trial, settings)
        if trial.skew_s is not None:
            yield _clock(trial.store, trial.skew_s)
        if trial.free_bytes is not None:
            yield _room(f"{trial.store} disk", trial.free_bytes, "of its fullest node", _NODE_DISK)


def _rights(trial: StoreTrial, settings: Settings) -> Finding:
    subject = f"{trial.store} rights"
    if not trial.refused:
        return Finding(subject, is_well=True, detail=f"tried: {', '.join(trial.granted)}")
    detail = "; ".join(f"{name}: {reason}" for name, reason in trial.refused.items())
    store, _, cell = trial.store.partition(" ")
    is_directory = store == "logs" and settings.is_embedded("logs_url")
    if store == "metrics":
        is_directory = settings.metric_cells[cell or DEFAULT_CELL].is_embedded
    return Finding(subject, is_well=False, detail=detail, advice=_RIGHTS["spool" if is_directory else store])


def _finding(health: StoreHealth) -> Finding:
    took = f" ({health.latency_ms:.1f} ms)" if health.latency_ms is not None else ""
    advice = "" if health.is_ready else _ADVICE.get(health.store.split(" ")[0], "see the log of the process")
    return Finding(health.store, health.is_ready, f"{health.detail}{took}", health.version, advice)


def _ask(running: RunningInstance, settings: Settings) -> Iterator[Finding]:
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
    urls = server_urls(settings)
    if running.relational_url is not None:
        urls = embedded_urls(settings, running.relational_url, running.redis_url)
    yield from _try(settings, urls)


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return _room("disk", free, f"at {place}", _ADVICE["disk"])


def _room(subject: str, free_bytes: int, where: str, advice: str) -> Finding:
    is_well = free_bytes >= LOW_DISK_BYTES
    return Finding(subject, is_well, f"{free_bytes // MIB} MiB free {where}", advice="" if is_well else advice)


def _clock(store: str, skew_s: float) -> Finding:
    """PostgreSQL's is what leases and due times go by; by the others' data is dropped and keys run out."""
    is_well = abs(skew_s) <= SKEW_S
    detail = f"{skew_s:+.3f} s against this machine"
    return Finding(f"{store} clock", is_well, detail, advice="" if is_well else _ADVICE["clock"])
