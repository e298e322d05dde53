"""What Prometheus was sent, sent to an organization of ours as well."""

from collections.abc import Sequence

import httpx

from factories.promql_samples import SentSeries, request_of
from factories.remote_write import compressed, remote_write_envelope
from fixtures.api import ApiWorld, Tenant
from strata_core.series.commands import register
from strata_datamodel.metrics import PointBatch
from strata_wire.remote_write import parse_remote_write

PATH = "/prometheus/api/v1"


def keep(world: ApiWorld, tenant: Tenant, batch: PointBatch) -> None:
    deps = world.app.state.deps
    assert deps.metric_store.write(batch).rejected == ()
    with tenant.system_units.organization(tenant.organization_id) as uow:
        assert register(uow, batch.series).refused == ()


def keep_samples(world: ApiWorld, tenant: Tenant, series: Sequence[SentSeries], begin_ms: int) -> None:
    now_ns = world.clock.now_ns()
    envelope = remote_write_envelope(1, now_ns, tenant.organization_id)
    parsed = parse_remote_write(request_of(list(series), begin_ms), envelope)
    assert parsed.rejected == ()
    keep(world, tenant, parsed.batch)


def send_to_prometheus(url: str, series: Sequence[SentSeries], begin_ms: int) -> None:
    headers = {
        "content-type": "application/x-protobuf",
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": "0.1.0",
    }
    body = compressed(request_of(list(series), begin_ms))
    httpx.post(f"{url}/api/v1/write", content=body, headers=headers).raise_for_status()
