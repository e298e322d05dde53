"""What mails link to works in a browser, with and without scripts, and for no page of anybody else's."""

import re
from html.parser import HTMLParser

import pytest

from fixtures.api import PASSWORD
from fixtures.signing_in import log_in, reset_token
from integration.people.people_world import invited, mails_to, members_of, signed_in, token_for
from strata_core.mail.texts import TEXTS

NEW = "seven slow owls sing"
PAGES = sorted(text.page for text in TEXTS.values() if text.page is not None)


class Fields(HTMLParser):
    """The form as a browser understands it."""

    def __init__(self, text):
        super().__init__()
        self.inputs, self.form, self.scripts = {}, {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form":
            self.form = found
        if tag == "input":
            self.inputs[found["name"]] = found
        if tag == "script":
            self.scripts.append(found["src"])


def sent(world, path, origin=None, client=None, **fields):
    headers = {} if origin is None else {"origin": origin}
    return (client or world.client).post(path, data=fields, headers=headers)


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_mail_leads_to_a_form_that_a_browser_can_send(shared_api, path):
    answer = shared_api.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Fields(answer.text)
    assert (page.form["method"], page.form["action"]) == ("post", path)
    assert "token" in page.inputs
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "form-action 'self'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert re.search(r"<script(?! src=)|<style| on\w+=| style=", answer.text) is None
    for script in page.scripts:
        told = shared_api.client.get(script)
        assert (told.status_code, told.headers["content-type"].partition(";")[0]) == (200, "text/javascript")


def test_somebody_new_accepts_an_invitation_and_signs_in(api):
    invited(api, api.acme, "new@acme.test")
    token = token_for(api, "new@acme.test")
    weak = sent(api, "/invitations/accept", token=token, name="New", password="password")
    assert weak.status_code == 422
    assert Fields(weak.text).inputs["token"]["value"] == token
    assert "value" not in Fields(weak.text).inputs["password"]
    done = sent(api, "/invitations/accept", token=token, name="New", password=NEW)
    assert done.status_code == 200, done.text
    assert "new@acme.test" in members_of(api, api.acme)
    with api.visitor() as visitor:
        assert log_in(visitor, "new@acme.test", NEW).status_code == 200
    assert sent(api, "/invitations/accept", token=token, name="New", password=NEW).status_code == 409


def test_somebody_known_accepts_an_invitation_with_their_session(api):
    invited(api, api.acme, api.globex.owner_email)
    token = token_for(api, api.globex.owner_email)
    assert sent(api, "/invitations/accept", token=token).status_code == 401
    with signed_in(api, api.globex.owner_email) as visitor:
        foreign = sent(api, "/invitations/accept", origin="https://evil.test", client=visitor, token=token)
        assert foreign.status_code == 403
        assert api.globex.owner_email not in members_of(api, api.acme)
        assert sent(api, "/invitations/accept", origin=api.url, client=visitor, token=token).status_code == 200
    assert api.globex.owner_email in members_of(api, api.acme)


def test_a_forgotten_password_is_set_and_the_link_works_once(api):
    token = reset_token(api, api.acme.owner_email, api.acme.owner_id)
    assert sent(api, "/password/reset", token=token, password=NEW).status_code == 200
    assert sent(api, "/password/reset", token=token, password=PASSWORD).status_code == 401
    with api.visitor() as visitor:
        assert log_in(visitor, api.acme.owner_email, NEW).status_code == 200


def test_a_new_address_is_confirmed_where_its_person_is_signed_in(api):
    with signed_in(api, api.acme.owner_email) as visitor:
        assert visitor.post("/api/v1/me/email", json={"email": "ana@elsewhere.test"}).status_code == 202
        assert len(mails_to(api, "ana@elsewhere.test")) == 1
        token = token_for(api, "ana@elsewhere.test")
        assert sent(api, "/account/email", token=token).status_code == 401
        assert sent(api, "/account/email", origin="null", client=visitor, token=token).status_code == 403
        assert sent(api, "/account/email", client=visitor, token=token).status_code == 200
        assert visitor.get("/api/v1/me").json()["user"]["email"] == "ana@elsewhere.test"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "body", [b"", b"token", b"token=" + b"x" * 5_000, b"token=%ff%00", b"a=1&" * 50, b"\xff\xfe", b"token=1&token=2"]
)
def test_odd_forms_are_answered_as_a_page(shared_api, path, body):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = shared_api.client.post(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.status_code != 429
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert Fields(answer.text).form["action"] == path


def test_what_was_typed_is_shown_as_text(shared_api):
    evil = '"><script>alert(1)</script>'
    answer = sent(shared_api, "/invitations/accept", token=evil, name=evil, password="x")
    assert "<script>alert" not in answer.text
    assert Fields(answer.text).inputs["token"]["value"] == evil
