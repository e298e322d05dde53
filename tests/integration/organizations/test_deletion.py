"""An organization is deleted: nothing of it is left in any store, its neighbour stands, and a receipt says so."""

import email
import email.policy
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.holdings import SIGNER
from scenario.saga_kills import FORWARD, drive_to_end, points_of, saga_row
from strata_core.context import Actor, ActorKind
from strata_core.organizations.deletion import DELETION
from strata_core.organizations.deletion_requests import request_deletion
from strata_core.receipts.documents import document_of, is_genuine, printed, read
from strata_core.receipts.queries import deletion_receipts
from strata_core.sagas.commands import cancel_saga
from strata_datamodel.errors import DeniedError, InvalidError

NOW = timedelta(0)


def ask(held, slug="acme", grace=NOW, confirm=None, label=None):
    ctx = held.context(slug)
    if label is not None:
        ctx = replace(ctx, actor=replace(ctx.actor, label=label))
    with held.app_units.organization(ctx.organization_id) as uow:
        return request_deletion(ctx, uow, confirm=confirm or slug, grace=grace)


def delete(held, slug="acme", points=frozenset()):
    return drive_to_end(held.world, DELETION, held.tools, ask(held, slug), points)


def receipt_for(held, slug):
    with held.units.system() as uow:
        (kept,) = deletion_receipts(uow, slug, 10)
    return kept.receipt


def test_nothing_is_left_anywhere_and_the_neighbour_stands(held):
    acme, globex = held.organization("acme"), held.organization("globex")
    theirs, ours = held.holdings(globex), held.holdings(acme)
    assert {
        "logs",
        "metrics",
        "search",
        "archive",
        "data_keys",
        "audit_log",
        "organizations",
        "memberships",
    } <= ours.keys()
    assert delete(held) == "done"
    assert held.holdings(acme) == {}
    assert held.holdings(globex) == theirs
    assert (held.tools.cache.forget(acme), held.tools.cache.forget(globex) > 0) == (0, True)
    (stone,) = held.database.rows("SELECT * FROM tombstones")
    assert (stone["organization_id"], stone["slug"]) == (acme, "acme")
    assert stone["deleted_at"] is not None


def test_the_receipt_says_what_was_there_and_is_signed(held):
    acme = held.organization("acme")
    ours = held.rows(acme)
    delete(held)
    receipt = receipt_for(held, "acme")
    document = document_of(receipt)
    assert is_genuine(receipt, SIGNER)
    assert document["organization"] == {"id": str(acme), "slug": "acme", "name": "Acme"}
    assert document["requested_by"] == "owner@acme.test"
    before, after = document["before"], document["after"]
    assert (before["logs"], before["metrics"], before["archive"]) == (2, 3, 1)
    assert before["cache"] >= 2
    assert before["rows"].keys() >= ours.keys()
    assert (after.pop("rows"), set(after.values())) == ({}, {0})
    (path,) = held.mail.glob("*.eml")
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["To"] == "owner@acme.test"
    text = mail.get_content()
    assert read(text[text.index("{") :].encode()) == receipt


def test_the_receipt_goes_to_the_persons_address_whoever_acts_for_them(held):
    drive_to_end(
        held.world, DELETION, held.tools, ask(held, label="owner@acme.test, by root (command line)"), frozenset()
    )
    (path,) = held.mail.glob("*.eml")
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["To"] == "owner@acme.test"
    assert document_of(receipt_for(held, "acme"))["requested_by"] == "owner@acme.test, by root (command line)"


def test_what_an_operator_deletes_is_mailed_to_nobody(held):
    ctx = replace(held.context("acme"), actor=Actor(ActorKind.SYSTEM, None, "root (command line)"))
    with held.units.organization(ctx.organization_id) as uow:
        saga_id = request_deletion(ctx, uow, confirm="acme", grace=NOW)
    assert drive_to_end(held.world, DELETION, held.tools, saga_id, frozenset()) == "done"
    assert list(held.mail.glob("*.eml")) == []


def test_a_receipt_that_was_tampered_with_is_found_out(held):
    delete(held)
    told = printed(receipt_for(held, "acme"))
    assert is_genuine(read(told.encode()), SIGNER)
    for change in ("before", "after", "requested_by", "form", "signature", "key", "extra"):
        given = json.loads(told)
        match change:
            case "before" | "after":
                given["receipt"][change]["logs"] += 1
            case "signature":
                given["signature"] = given["signature"][::-1]
            case "key":
                given["public_key"] = "A" * 43 + "="
            case _:
                given["receipt"][change] = "somebody@else.test"
        try:
            assert not is_genuine(read(json.dumps(given).encode()), SIGNER), change
        except InvalidError as error:
            assert error.code == "bad_receipt", change  # noqa: PT017 - refused before it is looked at


def test_killed_at_every_boundary_of_every_step_it_still_leaves_nothing(held):
    theirs = held.holdings(held.organization("globex"))
    for number, boundaries in enumerate((FORWARD[0::2], FORWARD[1::2], FORWARD)):
        points = frozenset(points_of(DELETION, boundaries))
        slug = f"victim-{number}"
        organization_id = held.provision(slug)
        held.fill(organization_id)
        assert delete(held, slug, points) == "done", points
        assert held.holdings(organization_id) == {}, points
        assert is_genuine(receipt_for(held, slug), SIGNER)
    assert held.holdings(held.organization("globex")) == theirs


def test_within_its_grace_everything_goes_on_and_it_can_be_cancelled(held):
    acme = held.organization("acme")
    saga_id = ask(held, grace=timedelta(hours=48))
    with held.units.organization(acme) as uow:
        cancel_saga(held.context("acme"), uow, saga_id)
    assert drive_to_end(held.world, DELETION, held.tools, saga_id) == "cancelled"
    (row,) = held.database.rows("SELECT status FROM organizations WHERE id = %s", acme)
    assert row["status"] == "active"
    assert held.holdings(acme)["logs"] == 2
    assert held.database.rows("SELECT 1 FROM tombstones") == []


def test_after_its_grace_it_is_deleted(held):
    saga_id = ask(held, grace=timedelta(hours=48))
    asked_at = saga_row(held.world, saga_id)["created_at"]
    held.world.clock.advance(timedelta(hours=47, minutes=59))
    assert drive_to_end(held.world, DELETION, held.tools, saga_id) == "done"
    (stone,) = held.database.rows("SELECT stood_at FROM tombstones")
    assert stone["stood_at"] - asked_at >= timedelta(hours=48)


def test_the_slug_may_be_taken_again_under_another_id(held):
    before = held.organization("acme")
    delete(held)
    again = held.provision("acme")
    assert again != before
    held.fill(again)
    assert held.holdings(before) == {}
    assert delete(held) == "done"
    with held.units.system() as uow:
        assert len(deletion_receipts(uow, "acme", 10)) == 2


def test_it_takes_a_person_who_owns_it_and_types_its_slug(held):
    ctx = held.context("acme")
    key = replace(ctx, actor=Actor(ActorKind.API_KEY, None, "admin"))
    admin = replace(ctx, permissions=ctx.permissions - {"organization:delete"})
    with held.app_units.organization(ctx.organization_id) as uow:
        for refused in (key, admin):
            with pytest.raises(DeniedError):
                request_deletion(refused, uow, confirm="acme", grace=NOW)
        for options in ({"confirm": "globex", "grace": NOW}, {"confirm": "acme", "grace": timedelta(days=999)}):
            with pytest.raises(InvalidError):
                request_deletion(ctx, uow, **options)
        saga_id = request_deletion(ctx, uow, confirm="acme", grace=NOW)
    assert ask(held) == saga_id
