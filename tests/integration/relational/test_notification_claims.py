"""A notification is claimed when it is due, again when its deadline is over, and deleted long after it ended."""

from datetime import timedelta

import pytest

from fixtures.relational import Database, TwoOrganizations
from strata_core.notifying.commands import claim_notifications, purge_finished
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.limits import NOTIFICATION_DEADLINE_SECONDS, NOTIFICATIONS_KEPT_DAYS
from strata_datamodel.tables.notifying import notifications
from strata_stores.clock import ShiftedClock

PLANNED = """
    INSERT INTO webhooks (organization_id, name, url, secret_sealed, event_kinds)
        SELECT id, 'w', 'https://w.example', 'x', '{}' FROM organizations;
    INSERT INTO outbox (organization_id, kind, schema_version, entity_kind, entity_id)
        SELECT id, 'x', 1, 'x', id FROM organizations;
    INSERT INTO notifications (organization_id, outbox_id, webhook_id, event_kind, state)
        SELECT o.organization_id, o.id, w.id, 'x', 'planned' FROM outbox o JOIN webhooks w USING (organization_id)
"""
ENDED = """
    INSERT INTO webhooks (organization_id, name, url, secret_sealed, event_kinds)
        SELECT id, 'w', 'https://w.example', 'x', '{}' FROM organizations;
    INSERT INTO notifications (organization_id, outbox_id, webhook_id, event_kind, state, updated_at)
        SELECT organization_id, app.uuid_v7(), id, 'x', s, now() - d * interval '1 day'
        FROM webhooks, unnest(ARRAY['planned', 'sending', 'sent', 'failed', 'unknown']) s, unnest(ARRAY[89, 91]) d
"""


@pytest.mark.parametrize("state", ["planned", "unknown"])
def test_what_is_claimed_is_claimed_again_only_when_its_deadline_is_over(
    system_units: SystemUnitsOfWork,
    shifted_clock: ShiftedClock,
    database: Database,
    two_organizations: TwoOrganizations,
    state: str,
) -> None:
    database.run(PLANNED)
    database.run("UPDATE notifications SET state = %s", state)

    def claimed() -> int:
        with system_units.system() as uow:
            return len(claim_notifications(uow))

    assert claimed() == 2
    shifted_clock.advance(timedelta(seconds=NOTIFICATION_DEADLINE_SECONDS - 5))
    assert claimed() == 0
    shifted_clock.advance(timedelta(seconds=10))
    assert claimed() == 2


def test_only_what_ended_long_ago_is_purged_in_bites(
    system_units: SystemUnitsOfWork, database: Database, two_organizations: TwoOrganizations
) -> None:
    database.run(ENDED)
    bites = []
    while not bites or bites[-1]:
        with system_units.system() as uow:
            bites.append(purge_finished(uow, limit=3))
    assert bites == [3, 1, 0]
    left = database.rows("SELECT state, count(*) AS n FROM notifications GROUP BY state ORDER BY state")
    assert {row["state"]: row["n"] for row in left} == {
        "failed": 2,
        "planned": 4,
        "sending": 4,
        "sent": 2,
        "unknown": 4,
    }


def test_the_database_lets_no_worker_delete_what_still_counts(
    system_units: SystemUnitsOfWork, database: Database, two_organizations: TwoOrganizations
) -> None:
    database.run(ENDED)
    with system_units.system() as uow:
        deleted = uow.execute(notifications.delete()).rowcount
    assert deleted == 4
    young = database.rows("SELECT 1 FROM notifications WHERE updated_at > now() - interval '90 days'")
    assert len(young) == 10
    assert NOTIFICATIONS_KEPT_DAYS == 90
