"""Searching alerts over HTTP."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert

from fixtures.api import ApiWorld, Tenant
from strata_core.new_ids import new_id
from strata_core.search.entities import current
from strata_core.search.projections import ALERT
from strata_datamodel.search import Place
from strata_datamodel.tables.alerting import alerts

FIRST = Place(ALERT, 1)


def fired(tenant: Tenant, summary: str, **values: object) -> str:
    with tenant.system_units.organization(tenant.organization_id) as uow:
        row = {"organization_id": tenant.organization_id, "id": new_id(uow), "fingerprint": summary}
        uow.execute(insert(alerts), row | {"severity": "critical", "summary": summary} | values)
    return str(row["id"])


def search(world: ApiWorld, tenant: Tenant, **body: object):
    return world.client.post(f"{tenant.path}/alerts/search", json=body, headers=tenant.admin)


@pytest.fixture
def index(api: ApiWorld):
    return api.app.state.deps.search_index


def test_alerts_are_found_by_words_fields_and_time_page_after_page(api, index):
    wanted = [fired(api.acme, f"disk {n} full", labels={"host": f"web-{n}"}) for n in range(5)]
    fired(api.acme, "memory full", severity="info")
    fired(api.globex, "disk 9 full")
    first = search(api, api.acme, query="disk severity:critical labels.host:web-*", limit=3).json()
    assert first["total"] == {"value": 5, "relation": "eq"}
    second = search(
        api, api.acme, query="disk severity:critical labels.host:web-*", limit=3, cursor=first["next_cursor"]
    ).json()
    assert [item["id"] for item in first["items"] + second["items"]] == wanted[::-1]
    assert second["next_cursor"] is None
    assert search(api, api.acme, query="disk", to="now-1h").json()["items"] == []
    assert (
        first["items"][0].keys()
        == api.client.get(f"{api.acme.path}/alerts/{wanted[0]}", headers=api.acme.admin).json().keys()
    )


def test_a_query_that_cannot_be_read_is_told_with_its_place(api):
    answer = search(api, api.acme, query="disk severity:loud")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_query")
    assert search(api, api.acme, cursor="AAAA").json()["code"] == "bad_cursor"


def test_while_the_index_is_gone_searches_say_so_and_the_rest_goes_on(api, index):
    alert_id = fired(api.acme, "disk full")
    api.clock.advance(timedelta(minutes=5))
    answer = search(api, api.acme, query="disk")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert "search" in answer.json()["detail"]
    assert "retry-after" in answer.headers
    assert api.client.get(f"{api.acme.path}/alerts/{alert_id}", headers=api.acme.admin).status_code == 200
    acknowledged = api.client.post(f"{api.acme.path}/alerts/{alert_id}/acknowledge", headers=api.acme.admin)
    assert acknowledged.status_code == 200
    with api.acme.system_units.organization(api.acme.organization_id) as uow:
        rows = current(uow, ALERT, {UUID(alert_id): 1})
    index.create(FIRST)
    index.write(FIRST, rows)
    api.clock.advance(timedelta(minutes=5))
    assert [item["status"] for item in search(api, api.acme, query="disk").json()["items"]] == ["acknowledged"]
