"""Sagas over HTTP: pages, steps, and what may be asked."""

from datetime import timedelta
from typing import cast

from fixtures.api import ApiWorld, Tenant
from scenario.saga_kills import SagaWorld, drive_to_end
from strata_core.context import Actor, ActorKind, Context
from strata_core.sagas.definitions import LocalStep, PutStep, SagaDefinition, nothing_to_undo
from strata_core.sagas.starting import start_saga
from strata_core.sagas.tools import SagaTools
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.ids import SagaId

TOOLS = cast("SagaTools", None)


def away(*_: object) -> None:
    raise StoreUnavailableError("logs", "is down")


def definition(kind: str = "tidy", effect=nothing_to_undo) -> SagaDefinition:
    steps = (
        LocalStep("rows", nothing_to_undo, nothing_to_undo),
        PutStep("objects", nothing_to_undo, effect, undo_effect=nothing_to_undo),
        LocalStep("open", nothing_to_undo),
    )
    return SagaDefinition(kind, 1, steps, "open", timedelta(hours=1))


def start(tenant: Tenant, declared: SagaDefinition) -> SagaId:
    ctx = Context(tenant.organization_id, Actor(ActorKind.SYSTEM, None, "test"), frozenset(), "test")
    with tenant.system_units.organization(tenant.organization_id) as uow:
        return start_saga(ctx, uow, declared, {"secret": "not shown"})


def world_of(api: ApiWorld) -> SagaWorld:
    return SagaWorld(api.acme.system_units, api.clock, api.database)


def test_pages_follow_one_another_and_filters_hold(api: ApiWorld):
    ids = [str(start(api.acme, definition("tidy" if number % 2 else "sweep"))) for number in range(5)]
    start(api.globex, definition())
    path, admin = f"{api.acme.path}/sagas", api.acme.admin
    first = api.client.get(path, params={"limit": 3}, headers=admin).json()
    rest = api.client.get(path, params={"limit": 3, "cursor": first["next_cursor"]}, headers=admin).json()
    assert [each["id"] for each in [*first["items"], *rest["items"]]] == ids[::-1]
    sweeps = api.client.get(path, params={"kind": "sweep", "state": "pending"}, headers=admin).json()["items"]
    assert [each["id"] for each in sweeps] == [ids[4], ids[2], ids[0]]
    assert api.client.get(path, params={"state": "parked"}, headers=admin).json()["items"] == []
    assert api.client.get(path, params={"state": "lost"}, headers=admin).status_code == 422


def test_a_saga_that_ended_shows_its_steps_attempts_and_times_and_nothing_of_its_input(api: ApiWorld):
    declared = definition()
    saga_id = start(api.acme, declared)
    drive_to_end(world_of(api), declared, TOOLS, saga_id)
    answer = api.client.get(f"{api.acme.path}/sagas/{saga_id}", headers=api.acme.admin)
    shown = answer.json()
    assert (shown["state"], shown["steps_done"], shown["steps_total"], shown["is_past_pivot"]) == ("done", 3, 3, True)
    assert [(step["name"], step["kind"], step["state"], step["attempts"]) for step in shown["steps"]] == [
        ("rows", "local", "done", 1),
        ("objects", "put", "done", 1),
        ("open", "local", "done", 1),
    ]
    assert all(step["duration_ms"] >= 0 for step in shown["steps"])
    assert "not shown" not in answer.text
    for ask in ("retry", "compensate", "cancel"):
        refused = api.client.post(f"{api.acme.path}/sagas/{saga_id}/{ask}", headers=api.acme.admin)
        assert refused.status_code == 409


def test_a_failing_saga_tells_its_reason_and_is_undone_when_asked(api: ApiWorld):
    failing = definition(effect=away)
    saga_id = start(api.acme, failing)
    path = f"{api.acme.path}/sagas/{saga_id}"
    assert api.client.post(f"{path}/retry", headers=api.acme.admin).json()["code"] == "saga_not_retryable"
    world = world_of(api)
    asked = api.client.post(f"{path}/compensate", headers=api.acme.admin)
    assert asked.status_code == 200
    assert asked.json()["request"] == "compensate"
    assert asked.json()["requested_by"]
    assert drive_to_end(world, failing, TOOLS, saga_id) == "compensated"
    shown = api.client.get(path, headers=api.acme.admin).json()
    assert (shown["state"], shown["reason_code"], shown["request"]) == ("compensated", "asked", None)


def test_the_app_itself_can_neither_take_a_step_nor_finish_a_saga(api: ApiWorld):
    """What the database says of its role, whatever the code is made to do."""
    rights = api.database.rows(
        "SELECT has_column_privilege('strata_app', 'sagas', 'state', 'UPDATE') AS state,"
        " has_table_privilege('strata_app', 'saga_steps', 'UPDATE') AS steps,"
        " has_table_privilege('strata_app', 'sagas', 'DELETE') AS gone,"
        " has_column_privilege('strata_app', 'sagas', 'request', 'UPDATE') AS request"
    )
    assert rights == [{"state": False, "steps": False, "gone": False, "request": True}]
