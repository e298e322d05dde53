"""A parked event is seen with its reason, and set going again by those who may, once."""

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from factories.real_requests import MAKERS, Things
from strata_core.outbox.commands import append, claim
from strata_core.outbox.events import Event
from strata_datamodel.errors import StrataError
from strata_datamodel.ids import OutboxId
from strata_datamodel.tables.outbox import outbox

PARKED = "/api/v1/orgs/acme/parked-events"


@pytest.fixture
def event_id(api) -> str:
    MAKERS["event_id"](Things(api, api.globex))
    return MAKERS["event_id"](Things(api, api.acme))


def state_of(api, event_id: str) -> str:
    (row,) = api.database.rows("SELECT state FROM outbox WHERE id = %s", event_id)
    return str(row["state"])


def test_a_parked_event_is_listed_with_its_reason_and_taken_up_again_when_it_is_retried(api, event_id):
    (shown,) = api.client.get(PARKED, headers=api.acme.admin).json()["items"]
    assert (shown["id"], shown["reason"], shown["attempts"]) == (event_id, "refused", 20)
    answer = api.client.post(f"{PARKED}/{event_id}/retry", headers=api.acme.admin)
    assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (200, "pending", 0)
    assert api.client.get(PARKED, headers=api.acme.admin).json()["items"] == []
    with api.acme.system_units.system() as uow:
        (claimed,) = claim(uow, "w", limit=10, outbox_id=OutboxId(event_id))
    assert claimed.attempts == 1
    (audited,) = api.database.rows("SELECT * FROM audit_log WHERE action = 'event.retry'")
    assert (audited["target_id"], audited["before"]["reason"]) == (event_id, "refused")


def test_a_second_retry_is_a_conflict_and_an_event_of_others_is_not_there(api, event_id):
    retry = f"{PARKED}/{event_id}/retry"
    foreign = api.client.post(retry.replace("acme", "globex"), headers=api.globex.admin)
    assert (foreign.status_code, state_of(api, event_id)) == (404, "parked")
    assert api.client.post(retry, headers=api.acme.admin).status_code == 200
    again = api.client.post(retry, headers=api.acme.admin)
    assert (again.status_code, again.json()["code"]) == (409, "event_not_parked")


def test_the_app_can_change_nothing_else_of_an_event(units, two_organizations, system_units):
    organization_id = two_organizations.first
    with system_units.organization(organization_id) as uow:
        event_id = append(uow, Event("alert.fired", 1, "alert", two_organizations.second_host))
        uow.execute(update(outbox).values(state="parked"))
    here = outbox.c.id == event_id
    for values in ({"state": "done"}, {"state": "pending", "attempts": 7}, {"payload": {}}):
        with pytest.raises((StrataError, DBAPIError)), units.organization(organization_id) as uow:
            uow.execute(update(outbox).where(here).values(**values))
    with units.organization(organization_id) as uow:
        uow.execute(update(outbox).where(here).values(state="pending", attempts=0))
        assert uow.execute(update(outbox).where(here).values(state="pending", attempts=0)).rowcount == 0
