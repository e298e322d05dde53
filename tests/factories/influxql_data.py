"""Lines that InfluxDB and Strata are both given, and asked about."""

from factories.wire_envelopes import line_envelope
from fixtures.api import ApiWorld, Tenant
from strata_core.series.commands import register
from strata_wire.line_protocol import parse_lines

HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000


def given(world: ApiWorld, tenant: Tenant, text: str) -> None:
    """What the ingest makes of it."""
    deps = world.app.state.deps
    batch = parse_lines(text.encode(), line_envelope(organization_id=tenant.organization_id)).batch
    deps.metric_store.write(batch)
    with deps.units.organization(tenant.organization_id) as uow:
        assert not register(uow, batch.series).refused


def lines(base_ns: int) -> str:
    """Half an hour of it: series with gaps, ties, resets, fields that come and go, and names that need quotes."""
    return "\n".join([*_cpu(base_ns), *_counters(base_ns), *_events(base_ns), *_odd(base_ns)]) + "\n"


def _cpu(base_ns: int) -> list[str]:
    found = []
    for number, (host, region) in enumerate((("a", "eu"), ("b", "eu"), ("c", "us"))):
        for step in range(60):
            if (host == "b" and 20 <= step < 34) or (host == "c" and step % 7 == 3):
                continue
            at = base_ns + step * 10 * SECOND_NS + (0 if host != "c" else 250_000_000)
            usage = 10.5 * (number + 1) + (step * 37 % 23) - 0.25 * step
            fields = [f"usage={usage}"]
            if host != "c" and step % 2 == 0:
                fields.append(f"idle={100 - usage}")
            if step % 5 == 0:
                fields.append(f"ok={'true' if step % 10 else 'false'}")
            if step % 6 == 1:
                fields.append(f'state="{("up", "down", "slow")[step % 3 if host == "a" else step % 2]}"')
            found.append(f"cpu,host={host},region={region} {','.join(fields)} {at}")
    return found


def _counters(base_ns: int) -> list[str]:
    found, total = [], 0.0
    for step in range(40):
        total = 3.0 if step in {13, 29} else total + step % 4 + 1
        found.append(f"counter,host=a value={total} {base_ns + step * 15 * SECOND_NS}")
        if step % 3:
            found.append(f"counter,host=b value={total * 2} {base_ns + step * 15 * SECOND_NS}")
    return found


def _events(base_ns: int) -> list[str]:
    """No tags, and whole minutes without any."""
    at = [0, 1, 30, 61, 62, 300, 301, 302, 303, 900, 1_500]
    return [f"events level={1.0 + each % 3},size={float(each)} {base_ns + each * SECOND_NS}" for each in at]


def _odd(base_ns: int) -> list[str]:
    return [
        f"disk\\ io,my\\ host=x\\ y,select=s,empty\\=ish=1 read\\ bytes=1.5,from=2.5 {base_ns}",
        f"disk\\ io,my\\ host=x\\ y,select=s,empty\\=ish=1 read\\ bytes=2.5,from=3.5 {base_ns + MINUTE_NS}",
        f"disk\\ io,my\\ host=ünï read\\ bytes=7.25 {base_ns + 2 * MINUTE_NS}",
        f"single,host=a v=42.5 {base_ns + 90 * SECOND_NS}",
        f"negative,host=a v=-1.5 {base_ns}",
        f"negative,host=a v=-0.5 {base_ns + MINUTE_NS}",
        f"negative,host=a v=2.4 {base_ns + 2 * MINUTE_NS}",
    ]
