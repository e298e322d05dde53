"""Whoever changes how somebody signs in cannot do it in silence: it is listed, mailed, and in the audit log of every
organization that the person belongs to, and of no other."""

import email
from email.policy import default
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from fakes.smtp_server import SmtpServer
from fixtures.api import LINK_KEY, PASSWORD
from fixtures.signing_in import SECOND_FACTOR, enrol_phone, log_in, reset_token, signed_in, ticket_for
from strata_datamodel.ids import uuid7
from strata_stores.channels.mail import SmtpMailer
from strata_stores.channels.smtp_url import smtp_server
from strata_stores.clock import SystemClock
from strata_workers.postman import Postman

NEW = "a bicycle under the stairs"


@pytest.fixture
def postbox(api):
    """What the mail server was given, by a real postman over a real socket."""
    with SmtpServer() as server:
        mailer = SmtpMailer(smtp_server(f"smtp://127.0.0.1:{server.port}"), "Strata <s@strata.test>", SystemClock())
        units = api.acme.system_units
        postman = Postman(units, mailer, LINK_KEY, "https://strata.test", CollectorRegistry())

        def delivered():
            while postman.step():
                pass
            return [email.message_from_bytes(each.content, policy=default) for each in server.received]

        yield delivered
        postman.close()


def audited(api, tenant):
    rows = api.database.rows(
        "SELECT action, after, remote_addr FROM audit_log WHERE organization_id = %s AND target_kind = 'user'"
        " ORDER BY id",
        tenant.organization_id,
    )
    return [row["action"] for row in rows]


def listed(visitor):
    return [item["action"] for item in visitor.get("/api/v1/me/security-events").json()["items"]]


def test_factors_are_told_by_mail_and_to_the_organization(api, postbox):
    with signed_in(api, api.acme.owner_email) as visitor:
        phone, _ = enrol_phone(api, visitor)
        assert visitor.post("/api/v1/me/recovery-codes").status_code == 201
        assert visitor.delete("/api/v1/me/totp").status_code == 204
        assert {"totp.enrolled", "recovery_codes.replaced", "totp.removed"} <= set(listed(visitor))
    mails = postbox()
    assert {mail["subject"] for mail in mails} == {
        "You can sign in with an authenticator app",
        "You have new recovery codes",
        "You can no longer sign in with an authenticator app that you had",
    }
    assert {mail["to"] for mail in mails} == {api.acme.owner_email}
    assert all("127.0.0.1" in mail.get_content() for mail in mails)
    assert not any(phone.code() in mail.get_content() for mail in mails)
    assert audited(api, api.acme) == ["user.totp_enrolled", "user.recovery_codes_replaced", "user.totp_removed"]
    assert audited(api, api.globex) == []


def test_the_use_of_a_recovery_code_is_told(api, postbox):
    with signed_in(api, api.acme.owner_email) as visitor:
        _, codes = enrol_phone(api, visitor)
    postbox()
    with api.visitor() as visitor:
        body = {"ticket": ticket_for(visitor, api.acme.owner_email), "code": codes[0]}
        assert visitor.post(SECOND_FACTOR, json=body).status_code == 200
        assert "recovery_code.used" in listed(visitor)
    (told,) = (mail for mail in postbox() if mail["subject"] == "A recovery code was used")
    assert codes[0] not in told.get_content()
    assert audited(api, api.acme)[-1] == "user.recovery_code_used"


def test_a_wrong_recovery_code_is_told_to_nobody(api, postbox):
    with signed_in(api, api.acme.owner_email) as visitor:
        enrol_phone(api, visitor)
    before = len(postbox())
    with api.visitor() as visitor:
        body = {"ticket": ticket_for(visitor, api.acme.owner_email), "code": "aaaa-bbbb-cccc-dddd"}
        assert visitor.post(SECOND_FACTOR, json=body).status_code == 401
    assert len(postbox()) == before


def test_passwords_that_change_are_told_by_mail_and_to_every_organization_of_the_person(api, postbox):
    api.database.run(
        "INSERT INTO memberships (organization_id, id, user_id, role) VALUES (%s, %s, %s, 'developer')",
        api.globex.organization_id, UUID(str(uuid7(1_800_000_000_000))), api.acme.owner_id,
    )  # fmt: skip
    with signed_in(api, api.acme.owner_email) as visitor:
        body = {"current_password": PASSWORD, "password": NEW}
        changed = visitor.post("/api/v1/me/password", json=body)
        assert changed.status_code == 204, changed.text
        assert "password.changed" in listed(visitor)
    token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    reset = api.client.post("/api/v1/auth/password-reset/confirm", json={"token": token, "password": NEW + "!"})
    assert reset.status_code == 204
    subjects = [mail["subject"] for mail in postbox()]
    assert subjects.count("Your password was changed") == 2
    for tenant in (api.acme, api.globex):
        assert audited(api, tenant) == ["user.password_changed", "user.password_reset"]
    rows = api.database.rows("SELECT after::text, before::text FROM audit_log WHERE action LIKE 'user.password%%'")
    assert not any("bicycle" in f"{row['after']}{row['before']}" for row in rows)


def test_a_change_that_fails_tells_nobody(api, postbox):
    with api.visitor() as visitor:
        log_in(visitor, api.acme.owner_email)
        assert visitor.delete("/api/v1/me/totp").status_code == 404
    assert postbox() == []
    assert audited(api, api.acme) == []
