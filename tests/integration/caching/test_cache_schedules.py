"""Readers, writers, invalidations and a server that forgets, in any order: what is found is what counts."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from strata_core.ports.cache import Cache, Entry
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.redis.cache import RedisCache
from strata_stores.redis.connecting import connect

KIND = "configuration"
KEYS = st.sampled_from(("one", "two"))
PLACES = st.integers(0, 1)


@dataclass(frozen=True, slots=True)
class Fill:
    """A reader between its look at the origin and its put."""

    process: int
    place: int
    key: str
    generation: bytes
    version: int


class Schedules(RuleBasedStateMachine):
    """Two organizations (`place`), two processes, one server. A write commits first and invalidates some time later."""

    def __init__(self, caches: tuple[Cache, Cache], flush: Callable[[], None]) -> None:
        super().__init__()
        self.caches, self.flush_server = caches, flush
        self.organizations = [OrganizationId(uuid4()) for _ in range(2)]
        self.versions = {(place, key): 1 for place in range(2) for key in ("one", "two")}
        self.shown = dict(self.versions)
        self.is_told = [True, True]
        self.fills: list[Fill] = []

    @initialize()
    def start(self) -> None:
        assert self.caches[0].get(self.organizations[0], KIND, "one").entry is None

    @rule(process=PLACES, place=PLACES, key=KEYS)
    def look_at_the_origin(self, process: int, place: int, key: str) -> None:
        found = self.caches[process].get(self.organizations[place], KIND, key)
        assert found.generation is not None
        self.check(place, key, found.entry)
        self.fills.append(Fill(process, place, key, found.generation, self.versions[place, key]))

    @precondition(lambda self: self.fills)
    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        fill = self.fills.pop(data.draw(st.integers(0, len(self.fills) - 1)))
        body = f"{self.organizations[fill.place]} {fill.version}".encode()
        entry = Entry(body, fill.version, 1, 60_000, 1)
        self.caches[fill.process].put(
            self.organizations[fill.place], KIND, fill.key, entry, generation=fill.generation, kept_ms=60_000
        )

    @rule(place=PLACES, key=KEYS)
    def commit(self, place: int, key: str) -> None:
        self.versions[place, key] += 1
        self.is_told[place] = False

    @rule(process=PLACES, place=PLACES)
    def invalidate(self, process: int, place: int) -> None:
        self.caches[process].invalidate(self.organizations[place], KIND)
        self.is_told[place] = True

    @rule()
    def flush(self) -> None:
        self.flush_server()

    @rule(place=PLACES)
    def forget(self, place: int) -> None:
        self.caches[0].forget(self.organizations[place])

    @invariant()
    def what_is_found_counts(self) -> None:
        for place, organization_id in enumerate(self.organizations):
            for key in ("one", "two"):
                for cache in self.caches:
                    self.check(place, key, cache.get(organization_id, KIND, key).entry)

    def check(self, place: int, key: str, entry: Entry | None) -> None:
        if entry is None:
            return
        owner, version = entry.body.decode().split()
        assert owner == str(self.organizations[place]), "another organization's bytes"
        assert entry.version == int(version) >= self.shown[place, key], "an older answer stands where a newer one stood"
        assert not self.is_told[place] or entry.version == self.versions[place, key], "a write was overtaken"
        self.shown[place, key] = entry.version


def test_no_schedule_overtakes_a_write_or_mixes_organizations(embedded_valkey: EmbeddedValkey) -> None:
    caches = tuple(
        RedisCache(embedded_valkey.url(), SystemClock(), connect_timeout_s=1.0, timeout_s=2.0) for _ in range(2)
    )
    with connect(embedded_valkey.url(), timeout_s=5) as client:

        def machine() -> Schedules:
            return Schedules((caches[0], caches[1]), client.flushall)

        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
    for cache in caches:
        cache.close()
