"""An invitation lets the one who reads a mailbox in, once, for a week, and nobody else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from fixtures.api import PASSWORD, bearer
from integration.people.people_world import accepted, audited, invited, mails_to, members_of, signed_in, token_for

NEW = "ada@new.test"
SECRET = "a long enough passphrase"


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_somebody_new_joins_with_the_link_and_signs_in(api):
    invited(api, api.acme, "Ada@New.Test", "devops")
    preview = api.client.post("/api/v1/invitations/preview", json={"token": token_for(api, NEW)})
    assert preview.status_code == 200, preview.text
    assert {k: preview.json()[k] for k in ("organization", "email", "role", "status", "has_account")} == {
        "organization": "Acme", "email": NEW, "role": "devops", "status": "open", "has_account": False,
    }  # fmt: skip
    answer = accepted(api, token_for(api, NEW), name="Ada", password=SECRET)
    assert answer.status_code == 200, answer.text
    assert answer.json()["is_new_user"] is True
    member = members_of(api, api.acme)[NEW]
    assert (member["role"], member["name"]) == ("devops", "Ada")
    with signed_in(api, NEW, SECRET) as ada:
        me = ada.get("/api/v1/me").json()
        assert me["user"]["email_verified_at"] is not None
        assert me["user"]["plan"] == "free"
        assert [each["slug"] for each in me["organizations"]] == ["acme"]
    assert NEW not in members_of(api, api.globex)


def test_a_link_works_once(api):
    invited(api, api.acme, NEW)
    token = token_for(api, NEW)
    assert accepted(api, token, password=SECRET).status_code == 200
    assert code_of(accepted(api, token, password=SECRET)) == (409, "invitation_accepted")
    with signed_in(api, NEW, SECRET) as ada:
        again = ada.post("/api/v1/invitations/accept", json={"token": token})
        assert code_of(again) == (409, "invitation_accepted")


def test_of_many_who_accept_at_once_one_gets_in(api):
    invited(api, api.acme, NEW)
    token = token_for(api, NEW)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: accepted(api, token, name=f"n{n}", password=SECRET), range(6)))
    assert [answer.status_code for answer in answers].count(200) == 1, [answer.text for answer in answers]
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} <= {
        "invitation_accepted", "sign_in_to_accept",
    }  # fmt: skip
    assert len(api.database.rows("SELECT FROM users WHERE email = %s", NEW)) == 1
    assert len(audited(api, api.acme, "member.joined")) == 1


def test_a_link_expires_after_a_week_and_can_be_sent_again(api):
    made = invited(api, api.acme, NEW)
    api.clock.advance(timedelta(days=7, seconds=1))
    token = token_for(api, NEW)
    assert code_of(accepted(api, token, password=SECRET)) == (409, "invitation_expired")
    listed = api.client.get(f"{api.acme.path}/invitations?status=expired", headers=api.acme.admin).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    sent = api.client.post(f"{api.acme.path}/invitations/{made['id']}/resend", headers=api.acme.admin)
    assert (sent.status_code, sent.json()["status"], sent.json()["sent_count"]) == (200, "open", 2)
    assert code_of(accepted(api, token, password=SECRET)) == (404, "invitation_unknown")
    assert accepted(api, token_for(api, NEW), password=SECRET).status_code == 200


def test_a_link_still_works_just_before_its_end(api):
    invited(api, api.acme, NEW)
    api.clock.advance(timedelta(days=6, hours=23))
    assert accepted(api, token_for(api, NEW), password=SECRET).status_code == 200


def test_nobodys_mailbox_is_filled(api):
    made = invited(api, api.acme, NEW)
    resend = f"{api.acme.path}/invitations/{made['id']}/resend"
    soon = api.client.post(resend, headers=api.acme.admin)
    assert code_of(soon) == (429, "invitation_sent_recently")
    assert int(soon.headers["retry-after"]) <= 60
    for _ in range(9):
        api.clock.advance(timedelta(seconds=61))
        assert api.client.post(resend, headers=api.acme.admin).status_code == 200
    api.clock.advance(timedelta(seconds=61))
    assert code_of(api.client.post(resend, headers=api.acme.admin)) == (422, "invitation_mails_limit")
    assert len(mails_to(api, NEW)) == 10


def test_a_revoked_link_stops_working(api):
    made = invited(api, api.acme, NEW)
    token = token_for(api, NEW)
    for _ in range(2):
        assert api.client.delete(f"{api.acme.path}/invitations/{made['id']}", headers=api.acme.admin).status_code == 204
    assert code_of(accepted(api, token, password=SECRET)) == (409, "invitation_revoked")
    assert NEW not in members_of(api, api.acme)


def test_an_address_has_one_open_invitation(api):
    invited(api, api.acme, NEW)
    again = api.client.post(
        f"{api.acme.path}/invitations", json={"email": "ADA@new.test", "role": "admin"}, headers=api.acme.admin
    )
    assert code_of(again) == (409, "already_invited")
    invited(api, api.globex, NEW)
    api.clock.advance(timedelta(days=8))
    assert invited(api, api.acme, NEW, "admin")["role"] == "admin"


def test_a_member_is_not_invited(api):
    answer = api.client.post(
        f"{api.acme.path}/invitations", json={"email": api.acme.owner_email, "role": "admin"}, headers=api.acme.admin
    )
    assert code_of(answer) == (409, "already_member")


def test_somebody_known_joins_signed_in_and_keeps_their_password(api):
    invited(api, api.acme, api.globex.owner_email, "read_only")
    token = token_for(api, api.globex.owner_email)
    stolen = accepted(api, token, password="an attacker's own password")
    assert code_of(stolen) == (401, "sign_in_to_accept")
    assert code_of(accepted(api, token)) == (401, "credential_missing")
    with signed_in(api, api.globex.owner_email, PASSWORD) as owner:
        answer = owner.post("/api/v1/invitations/accept", json={"token": token})
        assert answer.status_code == 200, answer.text
        assert answer.json()["is_new_user"] is False
        me = owner.get("/api/v1/me").json()
        assert {each["slug"]: each["role"] for each in me["organizations"]} == {"globex": "owner", "acme": "read_only"}
        assert me["user"]["email_verified_at"] is not None


def test_a_link_is_of_no_use_to_another_account(api):
    invited(api, api.acme, NEW)
    with signed_in(api, api.globex.owner_email) as other:
        answer = other.post("/api/v1/invitations/accept", json={"token": token_for(api, NEW)})
        assert code_of(answer) == (403, "invitation_for_another")
    assert set(members_of(api, api.acme)) == {api.acme.owner_email}
    assert accepted(api, token_for(api, NEW), password=SECRET).status_code == 200


def test_a_key_accepts_nothing(api):
    invited(api, api.acme, api.globex.owner_email)
    body = {"token": token_for(api, api.globex.owner_email)}
    answer = api.client.post("/api/v1/invitations/accept", json=body, headers=api.globex.admin)
    assert code_of(answer) == (403, "person_required")


@pytest.mark.parametrize("token", ["", "x", "0" * 43, "é" * 20])
def test_a_wrong_token_leads_nowhere(api, token):
    invited(api, api.acme, NEW)
    assert code_of(accepted(api, token, password=SECRET)) == (404, "invitation_unknown")
    assert code_of(api.client.post("/api/v1/invitations/preview", json={"token": token})) == (404, "invitation_unknown")


def test_a_weak_password_does_not_use_the_link_up(api):
    invited(api, api.acme, NEW)
    assert code_of(accepted(api, token_for(api, NEW), password="short")) == (422, "weak_password")
    assert accepted(api, token_for(api, NEW), password=SECRET).status_code == 200


def test_nobody_invites_to_more_than_they_hold(api):
    with api.as_member(api.acme, "admin") as admin:
        refused = admin.post("/api/v1/orgs/acme/invitations", json={"email": NEW, "role": "owner"})
        assert code_of(refused) == (403, "grant_exceeds_grantor")
        assert admin.post("/api/v1/orgs/acme/invitations", json={"email": NEW, "role": "admin"}).status_code == 201
    with api.as_member(api.acme, "developer") as developer:
        assert (
            developer.post("/api/v1/orgs/acme/invitations", json={"email": NEW, "role": "developer"}).status_code == 403
        )
    unknown = api.client.post(
        f"{api.acme.path}/invitations", json={"email": "b@b.test", "role": "emperor"}, headers=api.acme.admin
    )
    assert unknown.status_code == 422


def test_another_organizations_invitation_is_not_there(api):
    made = invited(api, api.acme, NEW)
    path = f"{api.globex.path}/invitations/{made['id']}"
    assert api.client.get(path, headers=api.globex.admin).status_code == 404
    assert api.client.delete(path, headers=api.globex.admin).status_code == 404
    assert api.client.post(f"{path}/resend", headers=api.globex.admin).status_code == 404
    assert api.client.get(f"{api.globex.path}/invitations", headers=api.globex.admin).json()["items"] == []


def test_a_suspended_organization_takes_nobody_in(api):
    invited(api, api.acme, NEW)
    api.database.run("UPDATE organizations SET status = 'suspended' WHERE slug = 'acme'")
    assert code_of(accepted(api, token_for(api, NEW), password=SECRET)) == (403, "organization_suspended")
    assert api.database.rows("SELECT FROM users WHERE email = %s", NEW) == []


def test_what_happened_is_audited_and_told_and_the_token_is_nowhere(api):
    invited(api, api.acme, NEW)
    token = token_for(api, NEW)
    accepted(api, token, password=SECRET)
    (created,) = audited(api, api.acme, "invitation.created")
    assert created["after"]["email"] == NEW
    (joined,) = audited(api, api.acme, "member.joined")
    assert (joined["actor_kind"], joined["actor_label"], joined["after"]["role"]) == ("user", NEW, "developer")
    assert len(audited(api, api.acme, "invitation.accepted")) == 1
    kinds = {row["kind"] for row in api.database.rows("SELECT kind FROM outbox")}
    assert {"invitation.created", "invitation.accepted", "member.added"} <= kinds
    for table in ("audit_log", "outbox", "mails", "invitations"):
        assert not any(token in str(row) for row in api.database.rows(f"SELECT * FROM {table}"))
    assert audited(api, api.globex, "member.joined") == []


def test_a_repeated_request_invites_once(api):
    headers = {**api.acme.admin, "idempotency-key": "one"}
    body = {"email": NEW, "role": "developer"}
    first, second = (api.client.post(f"{api.acme.path}/invitations", json=body, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert len(mails_to(api, NEW)) == 1


def test_an_ingest_key_sees_no_invitations(api):
    assert api.client.get(f"{api.acme.path}/invitations", headers=bearer(api.acme.ingest_key)).status_code == 403
