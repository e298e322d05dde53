import copy
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.software_authenticator import SoftwareAuthenticator
from fixtures.signing_in import SECOND_FACTOR, enrol_phone, log_in, signed_in, ticket_for

OPTIONS = "/api/v1/me/passkeys/options"
PASSKEYS = "/api/v1/me/passkeys"
BEGIN = "/api/v1/auth/passkey/options"
FINISH = "/api/v1/auth/passkey"


def register(visitor, authenticator, name="laptop", **options):
    asked = visitor.post(OPTIONS).json()
    answer = authenticator.create(asked["options"], **options)
    return visitor.post(PASSKEYS, json={"ticket": asked["ticket"], "name": name, "credential": answer})


def sign_in(visitor, authenticator, first_step=None, **options):
    asked = visitor.post(BEGIN, json={"ticket": first_step}).json()
    answer = authenticator.get(asked["options"], **options)
    return visitor.post(FINISH, json={"ticket": asked["ticket"], "credential": answer})


@pytest.fixture
def key(api):
    """Of Acme's owner."""
    authenticator = SoftwareAuthenticator(api.url)
    with signed_in(api, api.acme.owner_email) as visitor:
        assert register(visitor, authenticator).status_code == 201
    return authenticator


def assert_refused(answer, code="passkey_refused"):
    assert (answer.status_code, answer.json()["code"]) == (401, code), answer.text
    assert "set-cookie" not in answer.headers


def test_a_passkey_signs_in_without_a_password(api, key):
    with api.visitor() as visitor:
        answer = sign_in(visitor, key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["email"] == api.acme.owner_email
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
        assert visitor.get("/api/v1/orgs/globex").status_code == 404
        (mine,) = visitor.get(PASSKEYS).json()["items"]
        assert (mine["name"], mine["last_used_at"] is None) == ("laptop", False)


def test_a_passkey_is_a_second_factor_after_the_password(api, key):
    with api.visitor() as visitor:
        asked = log_in(visitor, api.acme.owner_email).json()
        assert asked["methods"] == ["passkey", "recovery_code"]
        key.is_verifying = False  # the password was the other factor
        assert sign_in(visitor, key, asked["ticket"]).status_code == 200
        assert visitor.get("/api/v1/orgs/acme").status_code == 200
        again = visitor.post(SECOND_FACTOR, json={"ticket": asked["ticket"], "code": "000000"})
        assert again.json()["code"] == "ticket_refused"


def test_the_first_passkey_brings_recovery_codes_and_ends_the_other_sessions(api):
    with signed_in(api, api.acme.owner_email) as here, signed_in(api, api.acme.owner_email) as there:
        before = here.cookies["strata_session"]
        made = register(here, SoftwareAuthenticator(api.url)).json()
        assert len(made["recovery_codes"]) == 10
        assert there.get("/api/v1/me").status_code == 401
        assert here.cookies["strata_session"] != before
        assert register(here, SoftwareAuthenticator(api.url), "phone").json()["recovery_codes"] is None
        ticket = ticket_for(there, api.acme.owner_email)
        used = there.post(SECOND_FACTOR, json={"ticket": ticket, "code": made["recovery_codes"][0]})
        assert used.status_code == 200


def test_somebody_elses_passkey_does_not_finish_a_sign_in(api, key):
    other = SoftwareAuthenticator(api.url)
    with signed_in(api, api.globex.owner_email) as visitor:
        register(visitor, other)
    with api.visitor() as thief:
        ticket = ticket_for(thief, api.acme.owner_email)
        assert_refused(sign_in(thief, other, ticket))
        assert_refused(sign_in(thief, other, ticket, user_handle=key.user_handle))
        assert_refused(sign_in(thief, other, user_handle=key.user_handle))
        other.credential_id, key_id = key.credential_id, other.credential_id
        assert_refused(sign_in(thief, other))
        other.credential_id = key_id
        assert sign_in(thief, other).json()["email"] == api.globex.owner_email


def test_a_challenge_is_answered_once(api, key):
    with api.visitor() as visitor:
        asked = visitor.post(BEGIN, json={}).json()
        body = {"ticket": asked["ticket"], "credential": key.get(asked["options"])}
        assert visitor.post(FINISH, json=body).status_code == 200
        assert_refused(visitor.post(FINISH, json=body), "ticket_refused")
        fresh = visitor.post(BEGIN, json={}).json()
        assert_refused(visitor.post(FINISH, json={**body, "ticket": fresh["ticket"]}))
        assert_refused(
            visitor.post(FINISH, json={"ticket": fresh["ticket"], "credential": key.get(fresh["options"])}),
            "ticket_refused",
        )


def test_of_many_answers_to_one_challenge_at_once_one_signs_in(api, key):
    asked = api.client.post(BEGIN, json={}).json()
    body = {"ticket": asked["ticket"], "credential": key.get(asked["options"])}

    def send(_):
        with api.visitor() as visitor:
            return visitor.post(FINISH, json=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [200, 401, 401, 401]


def test_a_challenge_ends_after_a_few_minutes(api, key):
    with api.visitor() as visitor:
        asked = visitor.post(BEGIN, json={}).json()
        api.clock.advance(timedelta(minutes=5, seconds=1))
        body = {"ticket": asked["ticket"], "credential": key.get(asked["options"])}
        assert_refused(visitor.post(FINISH, json=body), "ticket_refused")


def test_an_answer_to_another_sites_page_is_refused(api, key):
    with api.visitor() as visitor:
        assert_refused(sign_in(visitor, key, origin="https://strata.evil.test"))
        assert_refused(sign_in(visitor, key, origin="http://127.0.0.1:1"))
    with signed_in(api, api.globex.owner_email) as visitor:
        answer = register(visitor, SoftwareAuthenticator(api.url), origin="https://strata.evil.test")
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_passkey")


def test_a_device_that_does_not_know_its_holder_is_not_enough_alone(api, key):
    key.is_verifying = False
    with api.visitor() as visitor:
        assert_refused(sign_in(visitor, key))


def test_a_counter_that_goes_back_tells_of_a_copy(api, key):
    copied = copy.copy(key)
    with api.visitor() as owner, api.visitor() as thief:
        sign_in(owner, key).raise_for_status()
        sign_in(owner, key).raise_for_status()
        assert_refused(sign_in(thief, copied))


def test_a_removed_passkey_opens_nothing(api, key):
    with api.visitor() as visitor, api.visitor() as later, signed_in(api, api.globex.owner_email) as stranger:
        sign_in(visitor, key).raise_for_status()
        (mine,) = visitor.get(PASSKEYS).json()["items"]
        assert stranger.get(PASSKEYS).json()["items"] == []
        assert stranger.delete(f"{PASSKEYS}/{mine['id']}").status_code == 404
        assert visitor.delete(f"{PASSKEYS}/{mine['id']}").status_code == 204
        assert_refused(sign_in(later, key))
    with signed_in(api, api.acme.owner_email) as visitor:
        assert visitor.get("/api/v1/me/second-factors").json()["recovery_codes_left"] == 0


def test_a_passkey_belongs_to_one_person(api, key):
    with signed_in(api, api.globex.owner_email) as visitor:
        again = register(visitor, key)
        assert (again.status_code, again.json()["code"]) == (409, "passkey_known")
    with api.visitor() as visitor:
        key.user_handle = None
        assert sign_in(visitor, key).json()["email"] == api.acme.owner_email


def test_somebody_elses_registration_is_not_finished_by_me(api):
    authenticator = SoftwareAuthenticator(api.url)
    with signed_in(api, api.acme.owner_email) as one, signed_in(api, api.globex.owner_email) as other:
        asked = one.post(OPTIONS).json()
        body = {"ticket": asked["ticket"], "name": "x", "credential": authenticator.create(asked["options"])}
        assert_refused(other.post(PASSKEYS, json=body), "ticket_refused")
        assert one.post(PASSKEYS, json=body).status_code == 201
        assert_refused(one.post(PASSKEYS, json=body), "ticket_refused")


def test_registering_and_removing_ask_for_a_fresh_proof(api, key):
    with api.visitor() as visitor:
        sign_in(visitor, key).raise_for_status()
        (mine,) = visitor.get(PASSKEYS).json()["items"]
        api.clock.advance(timedelta(minutes=16))
        for answer in (visitor.post(OPTIONS), visitor.delete(f"{PASSKEYS}/{mine['id']}")):
            assert (answer.status_code, answer.json()["code"]) == (403, "confirmation_required")


def test_both_factors_are_offered_where_both_are_enrolled(api, key):
    with api.visitor() as visitor:
        sign_in(visitor, key).raise_for_status()
        enrol_phone(api, visitor)
    with api.visitor() as visitor:
        assert log_in(visitor, api.acme.owner_email).json()["methods"] == ["totp", "passkey", "recovery_code"]


_PARTS = ("clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_PARTS), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.sampled_from(("id", "rawId", "type", "response", *_PARTS)), value=_JSON)
def test_no_answer_of_a_strangers_making_signs_in_or_crashes(shared_api, part, value):
    with shared_api.visitor() as visitor:
        asked = visitor.post(BEGIN, json={})
        if asked.status_code == 429:
            shared_api.clock.advance(timedelta(minutes=16))
            asked = visitor.post(BEGIN, json={})
        answer = SoftwareAuthenticator(shared_api.url).get(asked.json()["options"])
        if part in _PARTS:
            answer["response"][part] = value
        else:
            answer[part] = value
        done = visitor.post(FINISH, json={"ticket": asked.json()["ticket"], "credential": answer})
        assert done.status_code in {401, 422}, done.text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.sampled_from(("id", "rawId", "type", "response", "clientDataJSON", "attestationObject")), value=_JSON)
def test_no_registration_of_a_strangers_making_crashes(shared_api, part, value):
    with signed_in(shared_api, shared_api.acme.owner_email) as visitor:
        asked = visitor.post(OPTIONS).json()
        answer = SoftwareAuthenticator(shared_api.url).create(asked["options"])
        if part in answer["response"]:
            answer["response"][part] = value
        else:
            answer[part] = value
        body = {"ticket": asked["ticket"], "name": "x", "credential": answer}
        assert visitor.post(PASSKEYS, json=body).status_code in {401, 422}
