"""Alerts in PostgreSQL, an index beside it, and the parts of a worker that keep the two together, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import insert

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from strata_core.alerting.commands import acknowledge_alert, open_alert, settle_alert
from strata_core.alerting.events import ALERT_KINDS, POINT_DUE
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append, claim, finish
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.search.comparing import Comparison, compare
from strata_core.search.entities import current
from strata_core.search.events import projection_due
from strata_core.search.projections import ALERT
from strata_core.search.queries import AlertSearch, AlertSearchPage, search_alerts
from strata_core.search.reconciling import ask_for_passes
from strata_datamodel.ids import AlertId, OrganizationId
from strata_datamodel.search import BUCKETS, Held, Place
from strata_datamodel.tables.alerting import alerts
from strata_stores.clock import ShiftedClock
from strata_workers.handlers import context_of, follow_alert
from strata_workers.projector import Projector
from strata_workers.reconciler import Reconciler

KEY = b"k" * 32
FIRST = Place(ALERT, 1)
SETTLED = timedelta(minutes=2)
"""By then nothing counts as just changed any more."""


@dataclass
class SearchWorld:
    units: SystemUnitsOfWork
    index: SearchIndex
    clock: ShiftedClock
    database: Database
    organizations: TwoOrganizations
    projector: Projector = field(init=False)
    reconciler: Reconciler = field(init=False)

    def __post_init__(self) -> None:
        self.projector = Projector(self.units, self.index, "test", CollectorRegistry())
        self.reconciler = Reconciler(self.units, self.index, "test")

    @property
    def acme(self) -> OrganizationId:
        return self.organizations.first

    @property
    def globex(self) -> OrganizationId:
        return self.organizations.second

    def fire(self, count: int = 1, organization_id: OrganizationId | None = None, **values: object) -> list[AlertId]:
        ctx = context(organization_id or self.acme)
        with self.units.organization(ctx.organization_id) as uow:
            given = {"severity": "critical", "summary": "disk full", "labels": {"host": "web-1"}}
            return [
                open_alert(ctx, uow, given | {"fingerprint": f"f{n}", "started_at": uow.now()} | values)
                for n in range(count)
            ]

    def acknowledge(self, alert_id: AlertId) -> None:
        with self.units.organization(self.acme) as uow:
            acknowledge_alert(context(self.acme), uow, alert_id)

    def resolve(self, alert_id: AlertId) -> None:
        with self.units.organization(self.acme) as uow:
            settle_alert(context(self.acme), uow, alert_id, by="test", value=None)

    def follow(self) -> None:
        """What the relay does with events of alerts."""
        with self.units.system() as uow:
            claimed = claim(uow, "test", limit=10_000, kinds=ALERT_KINDS)
        for item in claimed:
            with self.units.organization(item.organization_id) as uow:
                follow_alert(context_of(item), uow, item)
                assert finish(uow, item)

    def project(self) -> int:
        """All that is due; how much it was."""
        self.follow()
        done = 0
        while finished := self.projector.step():
            done += finished
        return done

    def settled(self, count: int, organization_id: OrganizationId | None = None) -> list[AlertId]:
        """Alerts that are in the index, a while ago."""
        organization_id = organization_id or self.acme
        with self.units.organization(organization_id) as uow:
            ids = [AlertId(new_id(uow)) for _ in range(count)]
            row = {"organization_id": organization_id, "severity": "critical", "summary": "disk full"}
            uow.execute(insert(alerts), [row | {"id": each, "fingerprint": str(each)} for each in ids])
            for each in ids[:1]:
                append(uow, projection_due(ALERT, each, 1))
        self.project()
        with self.units.organization(organization_id) as uow:
            self.index.write(FIRST, current(uow, ALERT, dict.fromkeys(ids, 1)))
        self.index.refresh(FIRST)
        self.clock.advance(SETTLED)
        return ids

    def reconcile(self) -> Comparison:
        """A pass over every organization, and what acme's found."""
        self.reconciler.adopt()
        with self.units.system() as uow:
            ask_for_passes(uow)
        found = self.compare()
        assert self.reconciler.step() == 2
        self.reconciler.adopt()
        return found

    def compare(self, organization_id: OrganizationId | None = None) -> Comparison:
        return compare(self.units.organization, self.index, organization_id or self.acme, ALERT)

    def heal(self, passes: int = 12, pause: timedelta = timedelta(minutes=1)) -> int:
        """Passes and projections until nothing differs; how many passes that took."""
        for number in range(passes):
            if not self.reconcile().drift:
                return number
            self.project()
            self.clock.advance(pause)
        raise AssertionError(f"still differs after {passes} passes: {self.compare().counts}")

    def held(self, organization_id: OrganizationId | None = None, place: Place = FIRST) -> dict[UUID, Held]:
        self.index.refresh(place)
        organization_id = organization_id or self.acme
        return {
            one.entity_id: one
            for bucket in range(BUCKETS)
            for one in self.index.scan(place, organization_id, bucket, after=None, limit=1_000)
        }

    def live(self, organization_id: OrganizationId | None = None, place: Place = FIRST) -> set[UUID]:
        organization_id = organization_id or self.acme
        self.index.refresh(place)
        return {
            one.entity_id
            for bucket in self.index.buckets(place, organization_id)
            for one in self.index.scan(place, organization_id, bucket, after=None, limit=1_000)
            if not one.is_deleted
        }

    def search(
        self, query: str = "", organization_id: OrganizationId | None = None, **fields: object
    ) -> AlertSearchPage:
        ctx = context(organization_id or self.acme)
        request = AlertSearch(query, **fields)  # type: ignore[arg-type]
        return search_alerts(ctx, lambda: self.units.organization(ctx.organization_id), self.index, request, KEY)

    def found(self, query: str = "", organization_id: OrganizationId | None = None, **fields: object) -> Sequence[UUID]:
        return [UUID(str(item["id"])) for item in self.search(query, organization_id, **fields).items]

    def pending(self) -> int:
        """Events, but for those that tell of alerts to the metrics: nobody here writes these."""
        waiting = "SELECT count(*) FROM outbox WHERE state = 'pending' AND kind <> %s"
        (row,) = self.database.rows(waiting, POINT_DUE)
        return int(str(row["count"]))
