"""Every kind of event that the core tells is in the catalogue, as it is told, and nothing else is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from strata_core.outbox.catalogue import EVENTS, check_declared, is_from_a_newer_release
from strata_core.outbox.events import Event
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import uuid7

CORE = Path(__file__).parents[2] / "libs/core/strata_core"
KIND = re.compile(r"^[a-z_]+\.[a-z_]+$")
# Constants of this form that name something else.
NO_EVENTS = {
    "user_access_logs.address": "a place that addresses are sealed for",
    "organization.deletion_requested": "an action in the audit log: its event is that of the saga",
    "organization.moved": "an action in the audit log: its event is that of the saga",
}


def constants(source: str) -> Iterator[str]:
    """What module-level names stand for."""
    for node in ast.parse(source).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and KIND.match(value.value):
            yield value.value


def kinds_in_code() -> set[str]:
    files = [path for path in CORE.rglob("*.py") if path.name != "catalogue.py"]
    return {kind for path in files for kind in constants(path.read_text("utf-8"))}


def test_every_kind_is_declared_and_every_declaration_is_a_kind():
    found = kinds_in_code()
    assert len(found) > 40
    assert found - set(NO_EVENTS) == set(EVENTS)
    assert set(NO_EVENTS) <= found


def test_a_kind_that_is_not_declared_is_found():
    assert list(constants('GONE: Final = "thing.gone"\nOTHER = "no kind"\n')) == ["thing.gone"]


@pytest.mark.parametrize(
    "event",
    [
        Event("host.created", 2, "host", uuid7(1)),
        Event("host.created", 1, "service", uuid7(1)),
        Event("host.created", 1, "host", uuid7(1), {"password": "x"}),
    ],
    ids=["another version", "another entity", "a name that is not declared"],
)
def test_an_event_that_is_not_what_is_declared_is_not_told(event):
    with pytest.raises(InvalidError, match=r"host\.created"):
        check_declared(event)


def test_a_version_of_a_newer_release_is_known_for_one():
    assert is_from_a_newer_release(Event("host.created", 2, "host", uuid7(1)))
    assert not is_from_a_newer_release(Event("host.created", 1, "host", uuid7(1)))
    assert not is_from_a_newer_release(Event("thing.unheard_of", 7, "thing", uuid7(1)))
