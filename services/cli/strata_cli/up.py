"""`strata up`: every role in one process."""

from collections.abc import Callable
from contextlib import ExitStack

import structlog
from prometheus_client import CollectorRegistry

from strata_api.bootstrap import build_api
from strata_cli.ending import stop_or_end_here
from strata_cli.observing import observed
from strata_cli.rendering import err
from strata_cli.runtime import Runtime, owned_runtime
from strata_cli.serving import Listener, serve
from strata_datamodel.health import StoreHealth
from strata_ingest.bootstrap import build_ingest
from strata_stores.embedded.supervisor import EmbeddedServers
from strata_stores.settings import Settings
from strata_workers.bootstrap import build_worker

log = structlog.get_logger(__name__)


def run_up(settings: Settings) -> None:
    """Returns after a clean stop."""
    with observed(settings, "up"), owned_runtime(settings, "strata up") as runtime, ExitStack() as stack:
        registry = CollectorRegistry()
        worker = build_worker(runtime.stores, settings, registry)
        ingest = build_ingest(runtime.stores, settings)
        stack.callback(ingest.close)
        embedded = _embedded_health(runtime.servers)
        api = build_api(runtime.stores, settings, more_health=(worker.health, embedded), registry=registry)
        proxies = settings.proxies
        listeners = [
            Listener("API", api, settings.bind, settings.api_port, proxies),
            Listener("ingest", ingest.app, settings.bind, settings.ingest_port, proxies),
        ]
        ingest.start()
        stack.callback(stop_or_end_here, ingest.stop)
        worker.start()
        stack.callback(worker.stop)
        serve(listeners, on_ready=lambda: _announce(runtime))
        log.info("draining")
    log.info("stopped")


def _announce(runtime: Runtime) -> None:
    settings = runtime.settings
    host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    api_url, ingest_url = f"http://{host}:{settings.api_port}", f"http://{host}:{settings.ingest_port}"
    runtime.directory.announce(api_url=api_url, ingest_url=ingest_url)
    log.info("ready", api=api_url, ingest=ingest_url, data_dir=str(settings.data_dir))
    err.print("\n[bold green]Strata is up.[/]")
    err.print(
        f"  browser, API   {api_url}      (described at {api_url}/api/v1/openapi.json)", markup=False, soft_wrap=True
    )
    err.print(f"  agents         {ingest_url}      (InfluxDB line protocol, _bulk)", markup=False)
    err.print(f"  data           {settings.data_dir}", markup=False)
    err.print("  first steps    strata init --org acme --email you@example.com", markup=False)
    err.print("  Ctrl-C stops it.\n", markup=False)


def _embedded_health(servers: EmbeddedServers | None) -> Callable[[], list[StoreHealth]]:
    def check() -> list[StoreHealth]:
        if servers is None:
            return []
        return [
            StoreHealth(
                f"embedded {status.name}",
                status.is_ready,
                status.last_reason or "running",
                is_required=status.name == "postgres",
            )
            for status in servers.status()
        ]

    return check
