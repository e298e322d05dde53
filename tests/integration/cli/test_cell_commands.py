"""Cells by `strata orgs`: seen, and an organization's move begun by an operator."""

import base64
import json

import pytest
from typer.testing import CliRunner

from strata_cli.main import app
from strata_datamodel.errors import StrataError
from strata_stores.postgres.roles import APP, WORKER


@pytest.fixture
def told(database, two_organizations, tmp_path):
    settings = {
        "STRATA_RELATIONAL_URL": database.url(APP),
        "STRATA_RELATIONAL_WORKER_URL": database.url(WORKER),
        "STRATA_WRAPPING_KEY": base64.b64encode(b"w" * 32).decode(),
        "STRATA_DATA_DIR": str(tmp_path),
        "STRATA_CELLS": json.dumps({"eu": {"url": "http://influx-eu:8086"}}),
    }

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["orgs", *words, "--json"], env=settings)
        refusal = result.exception.code if isinstance(result.exception, StrataError) else ""
        return result.exit_code, refusal or result.output

    return run


def test_cells_are_counted_and_a_move_is_begun_once(told, database, two_organizations):
    code, cells = told("cells")
    assert (code, json.loads(cells)) == (0, [
        {"cell": "default", "is_set": True, "is_for_new": True, "organizations": 2},
        {"cell": "eu", "is_set": True, "is_for_new": False, "organizations": 0},
    ])  # fmt: skip
    assert json.loads(told("cell", "acme")[1]) == {"cell": "default", "also": None}
    code, begun = told("move", "acme", "--to", "eu", "--no-wait")
    assert code == 0
    (saga,) = database.rows("SELECT id, kind, input, organization_id FROM sagas WHERE kind = 'organization_move'")
    assert (str(saga["id"]), saga["organization_id"]) == (json.loads(begun)["saga_id"], two_organizations.first)
    assert saga["input"] == {"from": "default", "to": "eu"}
    for cell, reason in (("eu", "already_exists"), ("default", "already_there"), ("mars", "unknown_cell")):
        assert told("move", "acme", "--to", cell, "--no-wait")[1] == reason
    assert json.loads(told("cell", "globex")[1]) == {"cell": "default", "also": None}
