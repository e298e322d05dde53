import json
import re

import pytest
from jsonschema import Draft202012Validator

import openapi

DOCUMENT = json.loads(openapi.document())
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]


def test_the_committed_document_is_what_the_routes_say():
    assert openapi.PATH.read_text("utf-8") == openapi.document(), "run python tools/openapi.py, and look at the change"


def test_it_is_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1")


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_each_operation_tells_how_it_is_called_and_refused(path, method, operation):
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", operation["operationId"])
    assert operation["summary"]
    assert operation["tags"]
    answers = operation["responses"]
    assert any(status.startswith(("2", "3")) for status in answers)
    assert "application/problem+json" in answers["default"]["content"]
    if operation["security"]:
        assert {"401", "403", "404"} <= set(answers)
    assert ("x-permission" in operation) == ("{org}" in path)


def test_every_schema_is_valid_and_every_reference_leads_somewhere():
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)):
        assert name in DOCUMENT["components"]["schemas"], name


def test_the_frameworks_own_error_form_is_nowhere():
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)
