"""What the OpenAPI document declares is what the API does, whatever is sent to it."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import openapi
from factories.real_requests import MAKERS, Things

SCHEMA = schemathesis.openapi.from_dict(json.loads(openapi.document()))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.label for each in OPERATIONS])
def test_no_input_gets_a_crash_or_an_answer_that_is_not_declared(shared_api, operation):
    the = Things(shared_api, shared_api.acme)
    real = the.path(operation.path) if set(names_in(operation.path)) <= {"org", *MAKERS} else None
    tried = 0

    # The same cases at each run, so that what failed once fails again.
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case):
        nonlocal tried
        tried += 1
        if real is not None and tried % 4:
            case.path_parameters = dict(the.made)
        case.headers = {**(case.headers or {}), "authorization": f"Bearer {shared_api.acme.admin_key}", "if-match": "*"}
        case.cookies = {}
        answer = case.call_and_validate(base_url=shared_api.url, checks=CHECKS)
        # The document's `default` covers any refusal, so what it covers is narrowed here.
        if answer.status_code < 400:
            assert str(answer.status_code) in operation.definition.raw["responses"]
        else:
            # No store is down, so that not even 503 is right.
            assert answer.status_code < 500
            assert answer.headers["content-type"] == ["application/problem+json"]

    ask()
    assert tried


def names_in(path: str) -> list[str]:
    return [part.split("}")[0] for part in path.split("{")[1:]]
