"""The invariants I1 to I12, each a function of the world at rest that tells its breaches."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Final

import psutil

from chaos.sending import LINES, POINTS, stored_lines, stored_points
from chaos.world import World
from scenario.processes import Tenant, command

COPIES_OF_A_PAGE: Final = 6
"""At least once: each harm may cost one more, under the same id."""
PLATFORM_AWAY: Final = frozenset({"strata is killed", "strata is paused", "the api is killed", "everything is paused"})
Breaches = list[str]
Checker = Callable[[World], Breaches]


def i1_nothing_acknowledged_is_lost(world: World) -> Breaches:
    breaches = []
    for sender in world.senders:
        points, lines, name = stored_points(sender.tenant, sender), stored_lines(sender.tenant), sender.tenant.slug
        breaches += [
            f"{name}: batch {number} has {points[number]} of {POINTS} points"
            for number in sorted(sender.acknowledged("metrics"))
            if points[number] < POINTS
        ]
        breaches += [
            f"{name}: the line {line!r} is missing"
            for number in sorted(sender.acknowledged("logs"))
            for line in sender.lines(number)
            if not lines[line]
        ]
    return breaches


def i2_nothing_is_there_twice(world: World) -> Breaches:
    """What was not acknowledged is there whole and once, or not at all."""
    breaches = []
    for sender in world.senders:
        points, lines, name = stored_points(sender.tenant, sender), stored_lines(sender.tenant), sender.tenant.slug
        breaches += [f"{name}: batch {number} has {count} points" for number, count in points.items() if count > POINTS]
        breaches += [f"{name}: {line!r} is there {count} times" for line, count in lines.items() if count > 1]
        batches = Counter(line.rpartition(" ")[0] for line in lines)
        breaches += [f"{name}: {batch!r} has {count} lines" for batch, count in batches.items() if count != LINES]
    return breaches


def i3_nobody_sees_what_is_anothers(world: World) -> Breaches:
    breaches = []
    for tenant in world.tenants:
        foreign = [line for line in stored_lines(tenant) if line.split(" ")[1] != tenant.slug]
        breaches += [f"{tenant.slug} finds {line!r}" for line in foreign[:5]]
        (other,) = (each for each in world.tenants if each is not tenant)
        status = tenant.admin.get(f"/api/v1/orgs/{other.slug}/alerts").status_code
        if status != 404:
            breaches.append(f"{tenant.slug} asks for {other.slug}'s alerts and is answered {status}")
    if world.globex.items("alerts"):
        breaches.append("globex has alerts, of which it made none")
    return breaches


def i4_the_stores_agree(world: World) -> Breaches:
    """PostgreSQL with telemetry, of which its hosts come; and the search index with PostgreSQL."""
    known = {host["name"] for host in _all(world, "hosts")}
    heated = {entry["host"] for entry in world.ledger.entries("heated")}
    breaches = [f"{host} has points and is no host" for host in sorted(heated - known)]
    alerts = {alert["id"] for alert in _all(world, "alerts")}
    answer = world.acme.admin.post("/api/v1/orgs/acme/alerts/search", json={"query": "", "limit": 200})
    if answer.status_code != 200:
        return [*breaches, f"alerts are searched for, and the answer is {answer.text}"]
    found = answer.json()
    if not {alert["id"] for alert in found["items"]} <= alerts or found["total"]["value"] != len(alerts):
        breaches.append(f"{len(alerts)} alerts, and a search finds {found['total']}")
    return breaches


def i5_each_alert_is_paged(world: World) -> Breaches:
    """The world is at rest: whatever bound there is, it is over."""
    alerts = {alert["labels"]["host"]: alert["id"] for alert in _all(world, "alerts")}
    paged = {entry["alert"] for entry in world.ledger.entries("receipt", type="alert.fired")}
    heated = {entry["host"] for entry in world.ledger.entries("heated")}
    breaches = [f"{host} is too hot, and no alert" for host in sorted(heated - alerts.keys())]
    return breaches + [f"the alert of {host} paged nobody" for host, id_ in alerts.items() if id_ not in paged]


def i6_pages_that_are_doubled_carry_one_id(world: World) -> Breaches:
    ids: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for receipt in world.ledger.entries("receipt"):
        ids[(receipt["host"], receipt["type"])][receipt["id"]] += 1
    breaches = [f"{host}: {kind} has {len(found)} ids" for (host, kind), found in ids.items() if len(found) > 1]
    return breaches + [
        f"{host}: {kind} came {found.total()} times"
        for (host, kind), found in ids.items()
        if found.total() > COPIES_OF_A_PAGE
    ]


def i7_nothing_resolves_without_an_answer(world: World) -> Breaches:
    """Hosts never cool down: whatever resolved did so without a value that allowed it."""
    return [
        f"{alert['labels']['host']} is {alert['status']}" for alert in _all(world, "alerts") if alert["resolved_at"]
    ]


def i9_every_saga_ends(world: World) -> Breaches:
    """Provisionings of both organizations, and an erasure every few seconds, each acknowledged with a row to go by."""
    sagas = [saga for tenant in world.tenants for saga in _all(world, "sagas", tenant)]
    breaches = [f"{saga['kind']} {saga['id']} is {saga['state']}" for saga in sagas if saga["state"] != "done"]
    lost = {entry["saga"] for entry in world.ledger.entries("erasure")} - {saga["id"] for saga in sagas}
    breaches += [f"the saga {saga} was acknowledged and is not there" for saga in sorted(lost)]
    erasures = _all(world, "erasures")
    return breaches + [f"the erasure {each['id']} has no receipt" for each in erasures if not each["receipt"]]


def i10_the_audit_chains_verify(world: World) -> Breaches:
    verified = command(["audit", "verify", "--json"], world.environment)
    if verified.returncode == 0:
        return []
    try:
        chains = json.loads(verified.stdout)["chains"]
    except ValueError:
        return [verified.stderr[-500:]]
    return [json.dumps(chain)[:500] for chain in chains]


def i11_the_api_answers_in_time(world: World) -> Breaches:
    """While its process was there at all: refusing is an answer, hanging is none."""
    began, away = {}, []
    for entry in sorted(
        [*world.ledger.entries("harm begins"), *world.ledger.entries("harm ends")], key=lambda entry: entry["at"]
    ):
        if entry["name"] in PLATFORM_AWAY:
            if entry["kind"] == "harm begins":
                began[entry["name"]] = entry["at"]
            else:
                away.append((began[entry["name"]], entry["at"]))
    return [
        f"an answer took {probe['at'] - probe['began']:.1f} s: {probe['outcome']}"
        for probe in world.ledger.entries("probe")
        if probe["outcome"] in {"hangs", "gone", "500"}
        and not any(start <= probe["at"] and probe["began"] <= end for start, end in away)
    ]


def i12_secrets_stay_secret(world: World) -> Breaches:
    breaches = []
    for path in world.logs:
        content = path.read_bytes()
        breaches += [
            f"{name} is in {path.name}" for name, secret in world.secrets.items() if secret.encode() in content
        ]
    for process in world.processes:
        for each in (found := psutil.Process(process.pid), *found.children(recursive=True)):
            line = " ".join(_command_line(each))
            breaches += [f"{name} is on a command line" for name, secret in world.secrets.items() if secret in line]
    return breaches


CHECKERS: Final[Mapping[str, Checker]] = {
    "I1": i1_nothing_acknowledged_is_lost,
    "I2": i2_nothing_is_there_twice,
    "I3": i3_nobody_sees_what_is_anothers,
    "I4": i4_the_stores_agree,
    "I5": i5_each_alert_is_paged,
    "I6": i6_pages_that_are_doubled_carry_one_id,
    "I7": i7_nothing_resolves_without_an_answer,
    "I9": i9_every_saga_ends,
    "I11": i11_the_api_answers_in_time,
    "I12": i12_secrets_stay_secret,
    "I10": i10_the_audit_chains_verify,  # last, as it starts a process
}
NOT_YET: Final[Mapping[str, str]] = {"I8": "there are no escalations that could be overdue"}


def breaches_of(world: World) -> dict[str, Breaches]:
    """Of the first invariant that does not hold, as the world is asked again and again while it comes to rest."""
    for name, checker in CHECKERS.items():
        breaches = checker(world)
        if breaches:
            return {name: breaches[:10]}
    return {}


def _all(world: World, path: str, tenant: Tenant | None = None) -> list[dict]:
    items, cursor, asked = [], "", tenant or world.acme
    while True:
        url = f"/api/v1/orgs/{asked.slug}/{path}"
        answer = asked.admin.get(url, params={"limit": 200, **cursor_of(cursor)})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items


def cursor_of(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
