"""What is remembered of a caller lasts seconds: a change made elsewhere is seen within five, one made here at once."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from fixtures.api import SETTER_UP, bearer
from strata_core.access.commands import revoke_api_key
from strata_core.access.key_rows import KeyDraft, add_key
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_datamodel.tables.access import api_keys
from strata_datamodel.tables.organizations import organizations

NEARLY, ENOUGH = timedelta(seconds=4), timedelta(seconds=1.1)


@pytest.fixture
def key(api):
    ctx = Context(api.acme.organization_id, SETTER_UP, PERMISSIONS, "fixture")
    with api.acme.system_units.organization(api.acme.organization_id) as uow:
        return add_key(ctx, uow, KeyDraft(name="agent", scopes=["read"]))


def status(api, key, tenant=None):
    return api.client.get((tenant or api.acme).path, headers=bearer(key.text)).status_code


def elsewhere(api, act):
    """As another process would: this one is not told."""
    with api.acme.system_units.organization(api.acme.organization_id) as uow:
        act(uow)


def test_a_key_revoked_elsewhere_is_refused_within_five_seconds(api, key):
    assert status(api, key) == 200
    ctx = Context(api.acme.organization_id, SETTER_UP, PERMISSIONS, "operator")
    elsewhere(api, lambda uow: revoke_api_key(ctx, uow, key.key.id))
    api.clock.advance(NEARLY)
    api.clock.advance(ENOUGH)
    assert status(api, key) == 401
    assert api.client.get(api.acme.path, headers=api.acme.admin).status_code == 200


def test_a_key_revoked_here_is_refused_at_once_and_the_other_organization_is_not_asked_again(api, key):
    assert status(api, key) == 200
    assert api.client.get(api.globex.path, headers=api.globex.admin).status_code == 200
    assert api.client.delete(f"{api.acme.path}/api-keys/{key.key.id}", headers=api.acme.admin).status_code == 204
    assert [organization for _, organization in api.app.state.identities._entries] == [api.globex.slug]
    assert status(api, key) == 401


def test_a_suspended_organization_is_shut_within_five_seconds(api, key):
    assert status(api, key) == 200
    suspend = update(organizations).where(organizations.c.id == api.acme.organization_id).values(status="suspended")
    elsewhere(api, lambda uow: uow.execute(suspend))
    api.clock.advance(NEARLY + ENOUGH)
    assert status(api, key) == 403
    assert api.client.get(api.globex.path, headers=api.globex.admin).status_code == 200


def test_a_remembered_key_stops_when_it_expires(api, key):
    ends = api.clock.now() + timedelta(seconds=2)
    elsewhere(api, lambda uow: uow.execute(update(api_keys).where(api_keys.c.id == key.key.id).values(expires_at=ends)))
    assert status(api, key) == 200
    api.clock.advance(timedelta(seconds=2.5))
    assert status(api, key) == 401


def test_a_remembered_key_opens_no_other_organization_and_no_other_permission(api, key):
    assert status(api, key) == 200
    assert status(api, key, api.globex) == 404
    headers = bearer(key.text)
    assert api.client.get(f"{api.acme.path}/hosts", headers=headers).status_code == 200
    assert api.client.post(f"{api.acme.path}/hosts", json={"name": "h"}, headers=headers).status_code == 403


def test_a_refusal_is_forgotten_after_a_second(api, key):
    hide = update(api_keys).where(api_keys.c.id == key.key.id)
    elsewhere(api, lambda uow: uow.execute(hide.values(revoked_at=api.clock.now())))
    assert status(api, key) == 401
    elsewhere(api, lambda uow: uow.execute(hide.values(revoked_at=None)))
    api.clock.advance(ENOUGH)
    assert status(api, key) == 200


def test_a_clock_set_back_makes_nothing_last_longer(api, key):
    assert status(api, key) == 200
    elsewhere(
        api,
        lambda uow: uow.execute(update(api_keys).where(api_keys.c.id == key.key.id).values(revoked_at=api.clock.now())),
    )
    api.clock.advance(timedelta(seconds=-60))
    assert status(api, key) == 401
