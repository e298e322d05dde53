"""Sagas and dead letters by `strata`: seen, followed, and set going or undone."""

import base64
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from factories.all_kinds_saga import TOOLS, Ledger
from fixtures.relational import Database, TwoOrganizations
from scenario.saga_kills import SagaWorld, drive_to_end
from strata_cli.main import app
from strata_core.context import Actor, ActorKind, Context
from strata_core.dead_letters.commands import keep
from strata_core.sagas.definitions import SagaDefinition
from strata_core.sagas.starting import start_saga
from strata_datamodel.errors import ConflictError, DeniedError
from strata_datamodel.ids import SagaId
from strata_stores.postgres.roles import APP, WORKER


@dataclass
class Console:
    settings: dict[str, str]

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--org", "acme"], env=self.settings)

    def told(self, *words: str) -> object:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> Console:
    return Console(
        {
            "STRATA_RELATIONAL_URL": database.url(APP),
            "STRATA_RELATIONAL_WORKER_URL": database.url(WORKER),
            "STRATA_WRAPPING_KEY": base64.b64encode(b"w" * 32).decode(),
            "STRATA_DATA_DIR": str(tmp_path),
        }
    )


@pytest.fixture
def world(system_units, shifted_clock, database: Database) -> SagaWorld:
    return SagaWorld(system_units, shifted_clock, database)


def start(world: SagaWorld, organizations: TwoOrganizations, definition: SagaDefinition) -> SagaId:
    ctx = Context(organizations.first, Actor(ActorKind.SYSTEM, None, "test"), frozenset(), "test")
    with world.units.organization(organizations.first) as uow:
        return start_saga(ctx, uow, definition, {"name": "host-1"})


@pytest.mark.usefixtures("second_unmoved")
def test_a_saga_is_listed_shown_and_cancelled(console, world, two_organizations, database):
    definition = Ledger().definition()
    saga_id = start(world, two_organizations, definition)
    assert [each["id"] for each in console.told("sagas", "list", "--state", "pending")] == [str(saga_id)]
    assert console.told("sagas", "list", "--state", "done") == []
    shown = console.told("sagas", "show", str(saga_id))
    assert [step["name"] for step in shown["steps"]] == [step.name for step in definition.steps]
    assert console.told("sagas", "cancel", str(saga_id))["request"] == "cancel"
    assert drive_to_end(world, definition, TOOLS, saga_id) == "cancelled"
    (audited,) = database.rows("SELECT actor_label FROM audit_log WHERE action = 'saga.cancel'")
    assert "command line" in str(audited["actor_label"])
    assert isinstance(console.run("sagas", "retry", str(saga_id)).exception, ConflictError)


def test_a_saga_is_followed_to_its_end_and_each_step_is_told(console, world, two_organizations):
    definition = Ledger().definition()
    saga_id = start(world, two_organizations, definition)
    results: list[Result] = []
    watching = threading.Thread(
        target=lambda: results.append(console.run("sagas", "watch", str(saga_id), "--every", "0.1", "--timeout", "30"))
    )
    watching.start()
    drive_to_end(world, definition, TOOLS, saga_id)
    watching.join(30)
    (result,) = results
    assert result.exit_code == 0, (result.output, result.exception)
    assert "done, 5 of 5 steps done" in result.output
    assert all(step.name in result.output for step in definition.steps)


def test_watching_ends_with_three_when_the_time_is_over_first(console, world, two_organizations):
    saga_id = start(world, two_organizations, Ledger().definition())
    assert console.run("sagas", "watch", str(saga_id), "--timeout", "0").exit_code == 3


def test_a_member_may_not_do_at_the_console_what_the_role_does_not_allow(console, world, two_organizations, database):
    saga_id = start(world, two_organizations, Ledger().definition())
    database.run("INSERT INTO users (email) VALUES ('dev@acme.test')")
    database.run(
        "INSERT INTO memberships (organization_id, user_id, role) SELECT %s, id, 'developer' FROM users",
        two_organizations.first,
    )
    result = console.run("sagas", "cancel", str(saga_id), "--as", "dev@acme.test")
    assert isinstance(result.exception, DeniedError)


@pytest.mark.usefixtures("second_unmoved")
def test_letters_are_listed_shown_replayed_and_discarded(console, system_units, two_organizations, tmp_path, database):
    with system_units.organization(two_organizations.first) as uow:
        ids = [
            str(
                keep(
                    uow,
                    signal="metrics",
                    store="metrics",
                    reason="refused",
                    item_count=1,
                    content=b"cpu v=1",
                    content_format="influx_line;precision=ns",
                )
            )
            for _ in range(2)
        ]
    assert {each["id"] for each in console.told("dead-letters", "list")} == set(ids)
    file = tmp_path / "refused"
    assert console.told("dead-letters", "show", ids[0], "--content", str(file))["reason"] == "refused"
    assert file.read_bytes() == b"cpu v=1"
    assert console.told("dead-letters", "replay", ids[0])["state"] == "replaying"
    assert console.told("dead-letters", "discard", ids[1])["state"] == "dropped"
    assert isinstance(console.run("dead-letters", "replay", ids[1]).exception, ConflictError)
    assert console.told("dead-letters", "list") == []
    actions = {row["action"] for row in database.rows("SELECT action FROM audit_log")}
    assert actions == {"dead_letter.replay", "dead_letter.discard"}
