"""A host, a label or a person is forgotten in every store; everything else stands, and a receipt says so."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import insert

from factories.log_events import BASE as LOG_BASE
from factories.log_events import log_batch, log_event
from factories.point_batches import SECOND, batch_of, point
from fixtures.holdings import POINT_BASE, SIGNER
from scenario.saga_kills import FORWARD, drive_to_end, points_of, steps_of
from strata_core.caching.kinds import PROFILES
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.queries import erasure_of
from strata_core.erasures.rules import ErasureKind, Selector, check_selector, subject_digest
from strata_core.erasures.saga import ERASURE
from strata_core.members.membership_rows import add_member
from strata_core.new_ids import new_id
from strata_core.ports.cache import Entry
from strata_core.receipts.documents import document_of, is_genuine
from strata_core.series.commands import register
from strata_datamodel.errors import ConflictError, InvalidError, NotFoundError
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_datamodel.tables.alerting import alerts
from strata_datamodel.tables.audit import user_access_logs
from strata_datamodel.tables.people import invitations
from strata_datamodel.tables.users import users

HOST = Selector(ErasureKind.HOST, value="web1")
LABEL = Selector(ErasureKind.LABEL, key="env", value="prod")
ANN = Selector(ErasureKind.PERSON, identifiers=("ann@acme.test", "Ann Lee"))


def erased(held, selector, points=frozenset()):
    """The erasure, done, and what its receipt says."""
    ctx = held.context("acme")
    with held.app_units.organization(ctx.organization_id) as uow:
        asked = request_erasure(ctx, uow, selector, reason="asked by letter")
    assert drive_to_end(held.world, ERASURE, held.tools, asked.saga_id, points) == "done"
    with held.app_units.organization(ctx.organization_id) as uow:
        done = erasure_of(ctx, uow, asked.id)
    assert is_genuine(done.receipt, SIGNER)
    return done, document_of(done.receipt)


@pytest.fixture
def ann(held):
    """A developer at acme, who left traces wherever one can; globex has the same texts."""
    for slug in ("acme", "globex"):
        organization_id = held.organization(slug)
        held.tools.metric_store.write(
            batch_of(organization_id, point(POINT_BASE, 1.0, user="ann@acme.test"), point(POINT_BASE, 2.0, user="ben"))
        )
        events = (log_event("signed in", LOG_BASE + 5, metadata={"user": "Ann@Acme.test"}),)
        held.tools.log_store.write(log_batch(organization_id, *events))
    organization_id = held.organization("acme")
    with held.units.system() as uow:
        user_id = new_id(uow)
        uow.execute(insert(users), {"id": user_id, "email": "ann@acme.test", "name": "Ann Lee"})
    ctx = held.context("acme")
    now = datetime.now(UTC)
    with held.units.organization(organization_id) as uow:
        add_member(ctx, uow, user_id, email="ann@acme.test", role="developer", action="member.added")
        register(uow, [SeriesKey("cpu", (("user", "ann@acme.test"),), "usage", FieldClass.NUMBER)])
        here = {"organization_id": organization_id}
        read = {"actor_kind": "user", "actor_id": user_id, "actor_label": "ann@acme.test", "at": now}
        uow.execute(insert(user_access_logs), {**here, **read, "operation": "logs_search", "purpose": "query"})
        row = {"fingerprint": "f", "severity": "critical", "summary": "Ann Lee broke it", "labels": {"host": "web1"}}
        uow.execute(insert(alerts), {**here, "id": new_id(uow), **row, "acknowledged_by": "ann@acme.test"})
        invited = {"email": "ben@acme.test", "role": "developer", "token_hash": b"t", "expires_at": now}
        uow.execute(insert(invitations), {**here, "id": new_id(uow), **invited, "invited_by": "ann@acme.test"})
    return user_id


def test_a_host_is_forgotten_in_every_store(held, ann):
    acme, globex = held.organization("acme"), held.organization("globex")
    theirs = held.holdings(globex)
    _, document = erased(held, HOST)
    assert document["before"] | {"cache": 0, "rows": {}} == {
        "logs": 1, "metrics": 2, "search": 0, "cache": 0, "rows": {},
    }  # fmt: skip
    assert document["before"]["rows"] == {"metric_series": 1, "hosts": 1, "alerts": 1}
    assert document["after"] == {"logs": 0, "metrics": 0, "search": 0, "rows": {}}
    assert held.tools.metric_store.count_points(acme) == 3
    assert held.tools.log_store.count(acme) == 2
    assert held.database.rows("SELECT 1 FROM hosts WHERE organization_id = %s", acme) == []
    (alert,) = held.database.rows("SELECT labels, summary, version FROM alerts")
    assert alert["labels"]["host"].startswith("erased-")
    assert (alert["summary"], alert["version"]) == ("", 2)
    assert held.holdings(globex) == theirs


def test_a_labels_value_is_forgotten_in_every_store(held):
    acme = held.organization("acme")
    with held.units.organization(acme) as uow:
        register(uow, [SeriesKey("cpu", (("env", "prod"), ("host", "web1")), "usage", FieldClass.NUMBER)])
    held.database.run('UPDATE hosts SET tags = \'{"env": "prod", "rack": "7"}\'')
    _, document = erased(held, LABEL)
    assert (document["before"]["logs"], document["before"]["metrics"]) == (1, 1)
    assert document["before"]["rows"] == {"metric_series": 1, "hosts": 1}
    assert document["after"] == {"logs": 0, "metrics": 0, "search": 0, "rows": {}}
    (host,) = held.database.rows("SELECT tags FROM hosts WHERE organization_id = %s", acme)
    assert host["tags"] == {"rack": "7"}
    (host,) = held.database.rows("SELECT tags FROM hosts WHERE organization_id <> %s", acme)
    assert host["tags"] == {"rack": "7", "env": "prod"}


def test_a_person_is_forgotten_in_every_store_and_the_evidence_stays(held, ann):
    acme, globex = held.organization("acme"), held.organization("globex")
    theirs = held.holdings(globex)
    audited = len(held.database.rows("SELECT 1 FROM audit_log WHERE organization_id = %s", acme))
    _, document = erased(held, ANN)
    assert (document["before"]["logs"], document["before"]["metrics"]) == (2, 1)
    assert document["before"]["rows"].keys() == {
        "metric_series", "user_access_logs", "memberships", "alerts", "invitations",
    }  # fmt: skip
    assert document["after"] == {"logs": 0, "metrics": 0, "search": 0, "rows": {}}
    assert held.tools.metric_store.count_matching(acme, [("user", "ben")]) == 1
    (user,) = held.database.rows("SELECT * FROM users WHERE id = %s", ann)
    assert user["email"].endswith("@erased.invalid")
    assert "Ann" not in str(user)
    (alert,) = held.database.rows("SELECT * FROM alerts")
    assert alert["acknowledged_by"].startswith("erased-")
    assert "Ann" not in str(alert)
    (invitation,) = held.database.rows("SELECT * FROM invitations")
    assert invitation["invited_by"] == alert["acknowledged_by"]
    assert len(held.database.rows("SELECT 1 FROM audit_log WHERE organization_id = %s", acme)) >= audited
    assert held.holdings(globex) == theirs


def test_labels_that_name_a_person_are_forgotten_and_no_others(held, ann):
    """Those of a series that goes become labels of alerts; of tags in the inventory people are owners."""
    told = '{"user": "Ann@ACME.test", "team": "blue"}'
    held.database.run("UPDATE alerts SET summary = '', acknowledged_by = NULL, labels = %s::jsonb", told)
    held.database.run("UPDATE hosts SET tags = %s::jsonb", told)
    acme = held.organization("acme")
    held.database.run(
        "INSERT INTO alert_rules (organization_id, name, severity, condition) VALUES (%s, 'r', 'info', '{}')", acme
    )
    held.database.run(
        "INSERT INTO alert_states (organization_id, rule_id, fingerprint, labels, state)"
        " SELECT organization_id, id, 'f' || n, CASE n WHEN 1 THEN %s::jsonb ELSE '{}' END, 'ok'"
        " FROM alert_rules, generate_series(1, 2) n",
        told,
    )
    _, document = erased(held, ANN)
    counted = document["before"]["rows"]
    assert {name: counted[name] for name in ("alerts", "hosts", "alert_states")} == {
        "alerts": 1, "hosts": 1, "alert_states": 1,
    }  # fmt: skip
    assert document["after"]["rows"] == {}
    assert [row["labels"] for row in held.database.rows("SELECT labels FROM alerts")] == [{"team": "blue"}]
    assert [row["fingerprint"] for row in held.database.rows("SELECT fingerprint FROM alert_states")] == ["f2"]
    kept = {
        row["organization_id"]: row["tags"] for row in held.database.rows("SELECT organization_id, tags FROM hosts")
    }
    assert kept == {acme: {"team": "blue"}, held.organization("globex"): json.loads(told)}


def test_what_is_kept_of_a_person_under_their_own_id_is_forgotten_too(held, ann):
    cache, somebody_else = held.tools.cache, uuid4()
    for user_id in (ann, somebody_else):
        entry = Entry(b"profile", 1, held.world.clock.now_ns() // 1_000_000, 60_000, 1)
        generation = cache.get(user_id, PROFILES.name, "profile").generation
        assert cache.put(user_id, PROFILES.name, "profile", entry, generation=generation, kept_ms=600_000)
    erased(held, ANN)
    assert cache.get(ann, PROFILES.name, "profile").entry is None
    assert cache.get(somebody_else, PROFILES.name, "profile").entry is not None


def test_somebody_who_belongs_elsewhere_too_keeps_their_account(held, ann):
    with held.units.organization(held.organization("globex")) as uow:
        add_member(held.context("globex"), uow, ann, email="ann@acme.test", role="developer", action="member.added")
    erased(held, ANN)
    (user,) = held.database.rows("SELECT email FROM users WHERE id = %s", ann)
    assert user["email"] == "ann@acme.test"
    (membership,) = held.database.rows("SELECT organization_id AS id FROM memberships WHERE user_id = %s", ann)
    assert membership["id"] == held.organization("globex")


def test_nothing_remembers_what_was_erased(held, ann):
    done, document = erased(held, ANN)
    digest = document["erasure"]["subject_sha256"]
    told = json.dumps(document) + str(steps_of(held.world, done.saga_id))
    told += str(held.database.rows("SELECT * FROM erasures")) + str(held.database.rows("SELECT input FROM sagas"))
    told += str(held.database.rows("SELECT payload FROM outbox WHERE kind LIKE 'erasure%%'"))
    told += str(held.database.rows("SELECT after FROM audit_log WHERE action LIKE 'erasure%%'"))
    assert "ann@" not in told.lower()
    assert "ann lee" not in told.lower()
    resolved = Selector(ErasureKind.PERSON, user_id=ann, identifiers=("ann@acme.test", "Ann Lee"))
    assert digest == subject_digest(done.id, resolved)
    assert digest != subject_digest(done.id, HOST)


def test_killed_at_every_boundary_it_is_done_and_nothing_else_is_gone(held):
    acme = held.organization("acme")
    for number, boundaries in enumerate((FORWARD[0::2], FORWARD[1::2], FORWARD)):
        name = f"doomed-{number}"
        held.tools.metric_store.write(batch_of(acme, point(POINT_BASE + SECOND, 1.0, host=name)))
        held.tools.log_store.write(log_batch(acme, log_event("x", LOG_BASE, host_id=name)))
        with held.units.organization(acme) as uow:
            register(uow, [SeriesKey("cpu", (("host", name),), "usage", FieldClass.NUMBER)])
        points = frozenset(points_of(ERASURE, boundaries))
        _, document = erased(held, Selector(ErasureKind.HOST, value=name), points)
        before, after = document["before"], document["after"]
        assert (before["logs"], before["metrics"], before["rows"]) == (1, 1, {"metric_series": 1}), points
        assert after == {"logs": 0, "metrics": 0, "search": 0, "rows": {}}, points
        assert len(held.database.rows("SELECT 1 FROM receipts WHERE kind = 'erasure'")) == number + 1
    assert (held.tools.log_store.count(acme), held.tools.metric_store.count_points(acme)) == (2, 3)


def test_what_would_take_too_much_with_it_is_refused():
    for selector in (
        Selector(ErasureKind.PERSON),
        Selector(ErasureKind.PERSON, identifiers=("an",)),
        Selector(ErasureKind.PERSON, identifiers=("...",)),
        Selector(ErasureKind.PERSON, identifiers=tuple(f"name-{n}" for n in range(21))),
        Selector(ErasureKind.HOST),
        Selector(ErasureKind.LABEL, value="prod"),
        Selector(ErasureKind.LABEL, key="env", value="x" * 2_000),
    ):
        with pytest.raises(InvalidError) as refused:
            check_selector(selector)
        assert refused.value.code == "bad_erasure", selector


def test_the_last_owner_and_people_of_others_are_not_erased(held):
    ctx, globex = held.context("acme"), held.made["globex"]
    with held.app_units.organization(ctx.organization_id) as uow:
        with pytest.raises(ConflictError) as refused:
            request_erasure(ctx, uow, Selector(ErasureKind.PERSON, user_id=held.made["acme"].user_id), reason="")
        assert refused.value.code == "last_owner"
        with pytest.raises(NotFoundError):
            request_erasure(ctx, uow, Selector(ErasureKind.PERSON, user_id=globex.user_id), reason="")
