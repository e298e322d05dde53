"""The audit log leaves as a file: whole, harmless to spreadsheets, and not unseen."""

import csv
import io
import json

import pytest

from strata_core.audit.commands import record
from strata_core.context import Actor, ActorKind, Context

FORMULA = '=HYPERLINK("http://evil.test")'


@pytest.fixture
def written(api):
    """More than a page of entries, and one whose texts are formulas."""
    ctx = Context(api.acme.organization_id, Actor(ActorKind.USER, None, FORMULA), frozenset(), "fixture")
    with api.acme.system_units.organization(api.acme.organization_id) as uow:
        for number in range(1_200):
            record(ctx, uow, "bulk.change", "host", f"+{number}", after={"=name": "@x", "unit": "°C"})
    return api


def export(api, headers=None, **params):
    return api.client.get(f"{api.acme.path}/audit-log/export", params=params, headers=headers or api.acme.admin)


def entries_of(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_a_csv_export_has_every_entry_once_and_no_formula(written):
    answer = export(written, action="bulk.change")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-acme-')
    rows = entries_of(answer)
    assert sorted(row["target_id"] for row in rows) == sorted(f"'+{number}" for number in range(1_200))
    assert {row["actor_label"] for row in rows} == {f"'{FORMULA}"}
    assert json.loads(rows[0]["after"]) == {"=name": "@x", "unit": "°C"}


def test_an_export_as_json_lines_keeps_values_as_they_are(written):
    answer = export(written, action="bulk.change", format="jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len({line["id"] for line in lines}) == 1_200
    assert lines[0]["actor_label"] == FORMULA
    assert lines[0]["after"] == {"=name": "@x", "unit": "°C"}


def test_an_export_is_itself_audited_with_what_was_asked_for(api):
    export(api, format="jsonl", text="provision")
    (entry,) = api.client.get(
        f"{api.acme.path}/audit-log", params={"action": "audit_log.export"}, headers=api.acme.admin
    ).json()["items"]
    assert entry["after"]["format"] == "jsonl"
    assert entry["after"]["filter"] == {"text": "provision"}
    assert entry["actor_kind"] == "api_key"


def test_another_organizations_export_is_not_there_and_leaves_no_trace(api):
    before = api.database.rows("SELECT count(*) AS n FROM audit_log")
    assert export(api, headers=api.globex.admin).status_code == 404
    assert api.database.rows("SELECT count(*) AS n FROM audit_log") == before


def test_an_export_needs_the_permission_to_read_the_log(api):
    assert export(api, headers=api.acme.key_with("hosts:read")).status_code == 403


def test_a_search_by_text_finds_parts_of_actor_target_and_changes(api):
    def found(text):
        page = api.client.get(f"{api.acme.path}/audit-log", params={"text": text}, headers=api.acme.admin).json()
        return [entry["target_id"] for entry in page["items"]]

    ctx = Context(api.acme.organization_id, Actor(ActorKind.USER, None, "Grace"), frozenset(), "fixture")
    with api.acme.system_units.organization(api.acme.organization_id) as uow:
        record(ctx, uow, "host.update", "host", "needle-1", before={"note": "100% sure"})
    assert found("gRACE") == ["needle-1"]
    assert found("EEDLE-") == ["needle-1"]
    assert found("100% s") == ["needle-1"]
    assert found("100_ s") == []
    assert found("nobody wrote this") == []
