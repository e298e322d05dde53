"""What people change of themselves, and who hears of it."""

from datetime import timedelta

import pytest

from integration.people.people_world import accepted, audited, invited, mails_to, signed_in, token_for

NEW = "ada@elsewhere.test"


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def patch(visitor, body, tag=None):
    tag = tag or visitor.get("/api/v1/me").headers["etag"]
    return visitor.patch("/api/v1/me", json=body, headers={"if-match": tag})


def asked(visitor, email=NEW):
    return visitor.post("/api/v1/me/email", json={"email": email})


def test_signing_in_is_tracked_and_shown(api):
    for count in (1, 2):
        with signed_in(api, api.acme.owner_email) as owner:
            user = owner.get("/api/v1/me").json()["user"]
            assert user["login_count"] == count
            assert user["last_login_at"] is not None


def test_a_profile_change_is_kept_by_each_of_the_persons_organizations(api):
    invited(api, api.globex, api.acme.owner_email, "read_only")
    with signed_in(api, api.acme.owner_email) as owner:
        body = {"token": token_for(api, api.acme.owner_email)}
        assert owner.post("/api/v1/invitations/accept", json=body).status_code == 200
        answer = patch(owner, {"name": "  Olga Owner ", "avatar_url": "https://pictures.test/olga.png"})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["name"], answer.json()["avatar_url"]) == ("Olga Owner", "https://pictures.test/olga.png")
    for tenant in (api.acme, api.globex):
        (row,) = audited(api, tenant, "user.changed")
        assert row["before"] == {"name": "", "avatar_url": None}
        assert row["after"] == {"name": "Olga Owner", "avatar_url": "https://pictures.test/olga.png"}
        assert row["actor_label"] == api.acme.owner_email


def test_an_organization_that_one_left_hears_nothing(api):
    email = api.acme.member("developer", api.hasher)
    with signed_in(api, email) as member:
        member.delete(f"/api/v1/me/organizations/{api.acme.organization_id}")
        assert patch(member, {"name": "Gone"}).status_code == 200
    assert audited(api, api.acme, "user.changed") == []
    assert audited(api, api.globex, "user.changed") == []


def test_a_change_needs_the_version_it_changes(api):
    with signed_in(api, api.acme.owner_email) as owner:
        assert owner.patch("/api/v1/me", json={"name": "X"}).status_code == 428
        tag = owner.get("/api/v1/me").headers["etag"]
        assert patch(owner, {"name": "X"}, tag).status_code == 200
        assert patch(owner, {"name": "Y"}, tag).status_code == 412
        assert owner.get("/api/v1/me").json()["user"]["name"] == "X"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"name": None},
        {"avatar_url": "http://plain.test/x.png"},
        {"avatar_url": "https://user:pass@pictures.test/x"},
        {"avatar_url": "javascript:alert(1)"},
        {"avatar_url": "https://[::1/x"},
        {"email": "other@x.test"},
        {"plan": "enterprise"},
        {"id": "x"},
    ],
)
def test_what_a_profile_cannot_be_is_refused(api, body):
    with signed_in(api, api.acme.owner_email) as owner:
        assert patch(owner, body).status_code == 422


def test_a_key_has_no_profile(api):
    for answer in (
        api.client.patch("/api/v1/me", json={"name": "x"}, headers={**api.acme.admin, "if-match": "*"}),
        api.client.post("/api/v1/me/email", json={"email": NEW}, headers=api.acme.admin),
        api.client.post("/api/v1/me/email/confirm", json={"token": "x"}, headers=api.acme.admin),
        api.client.delete(f"/api/v1/me/organizations/{api.acme.organization_id}", headers=api.acme.admin),
    ):
        assert code_of(answer) == (403, "person_required")


def test_a_new_address_counts_once_its_link_was_followed(api):
    with signed_in(api, api.acme.owner_email) as owner:
        assert asked(owner).status_code == 202
        assert owner.get("/api/v1/me").json()["user"]["email"] == api.acme.owner_email
        token = token_for(api, NEW)
        confirmed = owner.post("/api/v1/me/email/confirm", json={"token": token})
        assert confirmed.status_code == 200, confirmed.text
        assert confirmed.json()["email"] == NEW
        assert confirmed.json()["email_verified_at"] is not None
        assert code_of(owner.post("/api/v1/me/email/confirm", json={"token": token})) == (404, "link_unknown")
    assert [mail["kind"] for mail in mails_to(api, api.acme.owner_email)] == ["email_changed"]
    (row,) = audited(api, api.acme, "user.email_changed")
    assert (row["before"], row["after"]) == ({"email": api.acme.owner_email}, {"email": NEW})
    assert audited(api, api.globex, "user.email_changed") == []
    with signed_in(api, NEW):
        pass


@pytest.mark.parametrize(("hours", "status"), [(23, 200), (24, 404)])
def test_a_link_for_an_address_expires_after_a_day(api, hours, status):
    with signed_in(api, api.acme.owner_email) as owner:
        asked(owner)
    api.clock.advance(timedelta(hours=hours, seconds=1))
    with signed_in(api, api.acme.owner_email) as owner:
        body = {"token": token_for(api, NEW)}
        assert owner.post("/api/v1/me/email/confirm", json=body).status_code == status


def test_somebody_elses_link_changes_nothing(api):
    with signed_in(api, api.acme.owner_email) as owner, signed_in(api, api.globex.owner_email) as other:
        asked(owner)
        body = {"token": token_for(api, NEW)}
        assert code_of(other.post("/api/v1/me/email/confirm", json=body)) == (404, "link_unknown")
        assert owner.post("/api/v1/me/email/confirm", json=body).status_code == 200


def test_an_address_is_changed_only_shortly_after_signing_in(api):
    with signed_in(api, api.acme.owner_email) as owner:
        api.clock.advance(timedelta(hours=1))
        assert code_of(asked(owner)) == (403, "confirmation_required")
    assert mails_to(api, NEW) == []


def test_asking_for_an_address_does_not_tell_who_has_it(api):
    with signed_in(api, api.acme.owner_email) as owner:
        assert asked(owner, email=api.globex.owner_email).status_code == asked(owner).status_code == 202
        body = {"token": token_for(api, api.globex.owner_email)}
        assert code_of(owner.post("/api/v1/me/email/confirm", json=body)) == (409, "email_taken")
        assert owner.get("/api/v1/me").json()["user"]["email"] == api.acme.owner_email
        assert code_of(asked(owner, email=api.acme.owner_email)) == (409, "same_email")


def test_addresses_are_asked_for_a_few_times_a_day(api):
    with signed_in(api, api.acme.owner_email) as owner:
        statuses = [asked(owner, email=f"n{n}@elsewhere.test").status_code for n in range(6)]
        assert statuses == [202] * 5 + [429]
        assert owner.post(
            "/api/v1/me/email/confirm", json={"token": token_for(api, "n2@elsewhere.test")}
        ).status_code == 200  # fmt: skip
        body = {"token": token_for(api, "n4@elsewhere.test")}
        assert code_of(owner.post("/api/v1/me/email/confirm", json=body)) == (404, "link_unknown")


def test_an_invitation_to_the_old_address_is_of_no_use_to_the_new_one(api):
    invited(api, api.globex, api.acme.owner_email)
    token = token_for(api, api.acme.owner_email)
    with signed_in(api, api.acme.owner_email) as owner:
        asked(owner)
        owner.post("/api/v1/me/email/confirm", json={"token": token_for(api, NEW)})
        answer = owner.post("/api/v1/invitations/accept", json={"token": token})
        assert code_of(answer) == (403, "invitation_for_another")
    assert accepted(api, token, password="a long enough passphrase").status_code == 200
