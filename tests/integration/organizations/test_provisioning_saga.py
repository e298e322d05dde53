"""A new organization opens when every store is ready for it, or nothing of it is left."""

import pytest

from fixtures.api import PASSWORD
from scenario.saga_kills import BACK, FORWARD, drive_to_end, points_of, refused_at
from strata_core.access.queries import recognise_key
from strata_core.access.tokens import parse_token
from strata_core.context import Actor, ActorKind
from strata_core.organizations.founding import found_organization, founder_of
from strata_core.organizations.provisioning import PROVISIONING_SAGA, begin_provisioning
from strata_core.people.person import Person
from strata_datamodel.errors import ConflictError, UnauthenticatedError

OPERATOR = Actor(ActorKind.SYSTEM, None, "test")


def begin(held, slug):
    with held.units.system() as uow:
        return begin_provisioning(
            uow,
            slug=slug,
            name=slug.title(),
            owner_email=f"owner@{slug}.test",
            password_hash="unused",
            actor=OPERATOR,
            request_id="test",
        )


def status_of(held, organization_id):
    return [
        row["status"] for row in held.database.rows("SELECT status FROM organizations WHERE id = %s", organization_id)
    ]


def test_killed_at_every_boundary_it_opens_with_a_data_key_once(held):
    theirs = held.holdings(held.organization("globex"))
    for number, boundaries in enumerate((FORWARD[0::2], FORWARD[1::2], FORWARD)):
        made, saga_id = begin(held, f"new-{number}")
        assert status_of(held, made.organization.id) == ["provisioning"]
        points = frozenset(points_of(PROVISIONING_SAGA, boundaries))
        assert drive_to_end(held.world, PROVISIONING_SAGA, held.tools, saga_id, points) == "done", points
        assert status_of(held, made.organization.id) == ["active"]
        assert held.rows(made.organization.id)["data_keys"] == 1
        events = held.database.rows(
            "SELECT 1 FROM outbox WHERE kind = 'organization.provisioned' AND organization_id = %s",
            made.organization.id,
        )
        assert len(events) == 1
    assert held.holdings(held.organization("globex")) == theirs


def test_refused_at_any_step_and_killed_on_the_way_back_nothing_is_left(held):
    theirs = held.holdings(held.organization("globex"))
    for step in PROVISIONING_SAGA.steps[1:]:
        definition = refused_at(PROVISIONING_SAGA, step.name)
        made, saga_id = begin(held, "doomed")
        points = frozenset(points_of(definition, BACK))
        assert drive_to_end(held.world, definition, held.tools, saga_id, points) == "compensated"
        left = held.holdings(made.organization.id)
        told = held.database.rows("SELECT kind FROM outbox WHERE organization_id = %s", made.organization.id)
        assert ([row["kind"] for row in told], left) == (["saga.ended"], {"outbox": 1}), step.name
        key = parse_token(made.admin_key)
        with held.app_units.credential(key.key_id) as uow, pytest.raises(UnauthenticatedError):
            recognise_key(uow, key)
    assert held.holdings(held.organization("globex")) == theirs
    again, saga_id = begin(held, "doomed")
    assert drive_to_end(held.world, PROVISIONING_SAGA, held.tools, saga_id) == "done"
    assert status_of(held, again.organization.id) == ["active"]


def test_what_nobody_ran_before_its_deadline_is_gone_too(held):
    made, saga_id = begin(held, "late")
    held.world.clock.advance(PROVISIONING_SAGA.deadline)
    assert drive_to_end(held.world, PROVISIONING_SAGA, held.tools, saga_id) == "compensated"
    assert held.holdings(made.organization.id) == {"outbox": 1}


def test_a_slug_on_its_way_is_taken(held):
    begin(held, "taken")
    with pytest.raises(ConflictError) as refused:
        begin(held, "taken")
    assert refused.value.code == "slug_taken"


def test_one_that_somebody_made_for_themselves_opens_or_nothing_of_it_is_left(held):
    person = Person(held.made["acme"].user_id, "test")
    for refused, state in ((None, "done"), ("open", "compensated")):
        definition = PROVISIONING_SAGA if refused is None else refused_at(PROVISIONING_SAGA, refused)
        with held.app_units.person(person.user_id) as uow:
            made, saga_id = found_organization(founder_of(person, uow), uow, slug=f"own-{state}", name="Own")
        assert drive_to_end(held.world, definition, held.tools, saga_id) == state
        left = held.holdings(made.id)
        if refused is None:
            assert status_of(held, made.id) == ["active"]
            assert (left["memberships"], "api_keys" in left) == (1, False)
        else:
            assert left == {"outbox": 1}


@pytest.mark.parametrize(
    ("status", "answered"),
    [("provisioning", (409, "organization_provisioning")), ("deleting", (410, "organization_deleting"))],
)
def test_nobody_is_served_meanwhile_and_everybody_sees_why(api, status, answered):
    with api.visitor() as visitor:
        login = {"email": api.acme.owner_email, "password": PASSWORD}
        visitor.post("/api/v1/auth/login", json=login).raise_for_status()
        api.database.run("UPDATE organizations SET status = %s WHERE slug = 'acme'", status)
        for client, headers in ((visitor, {}), (api.client, api.acme.admin)):
            for path in ("", "/hosts"):
                refused = client.get(f"{api.acme.path}{path}", headers=headers)
                assert (refused.status_code, refused.json()["code"]) == answered
        (listed,) = visitor.get("/api/v1/orgs").json()["items"]
        assert (listed["slug"], listed["status"]) == ("acme", status)
