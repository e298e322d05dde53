"""What tests of people need of the API's world: links out of queued mails, and people signed in."""

from contextlib import contextmanager
from uuid import UUID

from fixtures.api import PASSWORD
from strata_core.mail.links import LinkKey

LINKS = LinkKey(b"l" * 32)


def mails_to(world, address):
    return world.database.rows("SELECT * FROM mails WHERE recipient = %s ORDER BY id", address)


def token_for(world, address) -> str:
    """Of the newest mail to this address, as the worker will write it."""
    return LINKS.token(UUID(str(mails_to(world, address)[-1]["id"])))


@contextmanager
def signed_in(world, email, password=PASSWORD):
    with world.visitor() as visitor:
        visitor.post("/api/v1/auth/login", json={"email": email, "password": password}).raise_for_status()
        yield visitor


def invited(world, tenant, email, role="developer"):
    answer = world.client.post(f"{tenant.path}/invitations", json={"email": email, "role": role}, headers=tenant.admin)
    assert answer.status_code == 201, answer.text
    return answer.json()


def accepted(world, token, **body):
    return world.client.post("/api/v1/invitations/accept", json={"token": token, **body})


def members_of(world, tenant):
    answer = world.client.get(f"{tenant.path}/members", headers=tenant.admin)
    assert answer.status_code == 200, answer.text
    return {item["email"]: item for item in answer.json()["items"]}


def audited(world, tenant, action):
    return world.database.rows(
        "SELECT * FROM audit_log WHERE organization_id = %s AND action = %s ORDER BY id",
        tenant.organization_id,
        action,
    )
