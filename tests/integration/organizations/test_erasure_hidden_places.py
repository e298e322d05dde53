"""An erasure looks where its subject does not lie open: in compressed letters, events that are done, the index."""

import gzip
import json
import zlib

import pytest
from sqlalchemy import insert

from fixtures.holdings import ALERTS
from scenario.saga_kills import drive_to_end
from strata_core.alerting.events import ALERT_FIRED, alert_event
from strata_core.dead_letters.commands import keep
from strata_core.erasures import letters, saga
from strata_core.erasures.commands import request_erasure
from strata_core.erasures.queries import erasure_of
from strata_core.erasures.rules import ErasureKind, Selector
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.receipts.documents import document_of
from strata_core.series.commands import register
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_datamodel.tables.alerting import alerts

HOST = Selector(ErasureKind.HOST, value="web1")
ANN = Selector(ErasureKind.PERSON, identifiers=("ann@acme.test", "Ann Lee"))


def receipt_of(held, selector):
    ctx = held.context("acme")
    with held.app_units.organization(ctx.organization_id) as uow:
        asked = request_erasure(ctx, uow, selector, reason="test")
    assert drive_to_end(held.world, saga.ERASURE, held.tools, asked.saga_id) == "done"
    with held.app_units.organization(ctx.organization_id) as uow:
        return document_of(erasure_of(ctx, uow, asked.id).receipt)


def kept_letter(held, slug, content, words, batch_id=None):
    with held.units.organization(held.organization(slug)) as uow:
        told = {"signal": "logs", "store": "logs", "reason": "refused", "item_count": 1}
        return keep(uow, **told, content=content, content_format=f"es_bulk;{words}", batch_id=batch_id)


def left_letters(held):
    return {row["id"] for row in held.database.rows("SELECT id FROM dead_letters")}


def test_compressed_and_cut_letters_are_looked_into(held):
    with held.units.system() as uow:
        batch_id = new_id(uow)
    told = b'{"message":"Ann@Acme.test signed in"}' + b" " * 500_000
    plain = b'{"message":"ben signed in"}'
    packed = gzip.compress(told)
    gone = [
        kept_letter(held, "acme", packed, "encoding=gzip;received_at_ns=1"),
        kept_letter(held, "acme", zlib.compress(told), "encoding=deflate;received_at_ns=1"),
        kept_letter(held, "acme", packed[:40], "encoding=gzip;received_at_ns=1;part=1/2", batch_id),
        kept_letter(held, "acme", packed[40:], "encoding=gzip;received_at_ns=1;part=2/2", batch_id),
    ]
    stays = {
        kept_letter(held, "acme", gzip.compress(plain), "encoding=gzip;received_at_ns=1"),
        kept_letter(held, "acme", packed[:40], "encoding=gzip;received_at_ns=1"),
        kept_letter(held, "globex", packed, "encoding=gzip;received_at_ns=1"),
    }
    document = receipt_of(held, ANN)
    assert document["before"]["rows"]["dead_letters"] == len(gone)
    assert "dead_letters" not in document["after"]["rows"]
    assert left_letters(held) == stays
    assert {each["what"]: each["rows"] for each in document["kept"]}["dead_letters"] == 1


def test_a_bomb_among_the_letters_is_not_unpacked():
    assert letters.inflated(gzip.compress(b"x" * 1_000)) == b"x" * 1_000
    assert letters.inflated(gzip.compress(b"\0" * 300_000_000, 9)) is None


def test_series_of_texts_are_named_in_the_receipt(held):
    with held.units.organization(held.organization("acme")) as uow:
        register(uow, [SeriesKey("cpu", (("host", "web2"),), "words", FieldClass.STRING)])
    kept = {each["what"]: each["rows"] for each in receipt_of(held, ANN)["kept"]}
    assert kept["series_of_texts"] == 1


@pytest.mark.parametrize("selector", [HOST, ANN], ids=["host", "person"])
def test_events_and_the_index_tell_nothing_of_it_any_more(held, selector):
    alert_ids = {}
    for slug in ("acme", "globex"):
        organization_id = held.organization(slug)
        with held.units.organization(organization_id) as uow:
            for state in ("done", "pending", "parked"):
                alert_id = alert_ids[slug] = new_id(uow)
                told = {"labels": {"host": "web1", "owner": "Ann@ACME.test"}, "summary": "Ann Lee: web1 is hot"}
                row = {"organization_id": organization_id, "id": alert_id, "fingerprint": state, "severity": "critical"}
                uow.execute(insert(alerts), {**row, **told})
                append(
                    uow, alert_event(ALERT_FIRED, alert_id, {**told, "description": "", "value": None, "was": state})
                )
        with held.units.organization(organization_id) as uow:
            known = {
                row["id"]: 1
                for row in held.database.rows("SELECT id FROM alerts WHERE organization_id = %s", organization_id)
            }
        held.tools.search_index.write(ALERTS, held.tools.search_source.entities(organization_id, "alert", known))
    held.database.run("UPDATE outbox SET state = payload ->> 'was' WHERE payload ? 'was'")
    document = receipt_of(held, selector)
    assert document["before"]["search"] == 3
    assert document["before"]["rows"]["outbox"] >= 3
    assert document["after"] == {"logs": 0, "metrics": 0, "search": 0, "rows": {}}
    left = held.database.rows("SELECT organization_id, state, payload FROM outbox WHERE payload ? 'was'")
    acme = [row for row in left if row["organization_id"] == held.organization("acme")]
    assert {row["state"] for row in acme} == {"pending", "parked"}
    assert "web1" not in json.dumps([row["payload"]["labels"] for row in acme]) or selector is ANN
    if selector is ANN:
        assert "ann" not in json.dumps([row["payload"] for row in acme]).lower()
    theirs = [row for row in left if row["organization_id"] != held.organization("acme")]
    assert len(theirs) == 3
    assert all(row["payload"]["labels"]["owner"] == "Ann@ACME.test" for row in theirs)


def test_tags_are_looked_for_page_by_page(held):
    organization_id, many = held.organization("acme"), saga._SERIES_AT_ONCE + 10
    held.database.run(
        "INSERT INTO metric_series (organization_id, fingerprint, measurement, field, field_class, tags)"
        " SELECT %s, decode(md5(n::text), 'hex'), 'm', 'f', 'number',"
        "  jsonb_build_object('user', CASE WHEN n %% 2000 = 1 THEN 'ann@acme.test' ELSE 'u' || n END,"
        "   'k' || n / 4000, 'Ann Lee')"
        " FROM generate_series(1, %s) n",
        organization_id,
        many,
    )
    assert receipt_of(held, ANN)["before"]["rows"]["metric_series"] == many
    assert held.database.rows("SELECT 1 FROM metric_series WHERE measurement = 'm'") == []
