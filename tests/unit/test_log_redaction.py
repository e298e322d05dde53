"""Planted secrets do not reach the log."""

import io
import json
import logging

import pytest
import structlog

from strata_core.observing.logging import configure_logging

TOKEN = "strata_live_0abc1def_Zx9Zx9Zx9Zx9Zx9Zx9Zx9"


@pytest.fixture
def lines():
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("debug", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_names_and_shapes_of_secrets_are_redacted_at_any_depth(lines):
    structlog.get_logger("t").info(
        "signed_in",
        password="hunter2",
        nested={"authorization": "Basic aHVudGVyMg==", "list": [f"used {TOKEN}"]},
        url="postgresql://strata:hunter2@db/strata",
    )
    text = json.dumps(lines())
    assert "hunter2" not in text
    assert "aHVudGVyMg" not in text
    assert TOKEN not in text
    assert lines()[0]["event"] == "signed_in"


def test_a_traceback_is_redacted_too(lines):
    try:
        raise ValueError(f"refused {TOKEN}")
    except ValueError:
        structlog.get_logger("t").exception("failed")
    logging.getLogger("library").warning("connecting to redis://u:hunter2@host/0")
    text = json.dumps(lines())
    assert TOKEN not in text
    assert "hunter2" not in text


def test_request_and_organization_stand_on_every_line(lines):
    with structlog.contextvars.bound_contextvars(request_id="r1", organization="o1"):
        logging.getLogger("library").info("deep inside")
    assert lines()[0]["request_id"] == "r1"
    assert lines()[0]["organization"] == "o1"


FORGED = 'x\n{"event": "signed_in", "level": "info"}\r\nmore\u2028\x85\x1b[31m'


def test_no_input_makes_a_line_of_the_log(lines):
    structlog.get_logger("t").info("refused", path=FORGED, nested={"name": [FORGED]}, **{"odd\nkey": 1})
    logging.getLogger("library").warning("asked for %s", FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("t").exception("failed")
    found = lines()
    assert [line["event"] for line in found[:1] + found[2:]] == ["refused", "failed"]
    assert len(found) == 3
    assert found[0]["path"] == FORGED
