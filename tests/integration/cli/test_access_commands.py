"""Roles, teams, service accounts and members by `strata`: the same decisions as at the API, in somebody's name."""

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fixtures.relational import Database
from strata_cli.access.acting import account_name
from strata_cli.main import app
from strata_core.access.permissions import Role
from strata_datamodel.errors import ConflictError, DeniedError, InvalidError, NotFoundError, StrataError
from strata_stores.postgres.roles import APP, WORKER

SOLE = Path(sys.executable).parent / "strata"


@dataclass
class Console:
    database: Database
    settings: dict[str, str]

    def run(self, *words: str, org: str = "acme", stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [*words, "--org", org], env=self.settings, input=stdin)

    def told(self, *words: str, **options: str) -> object:
        """The JSON that the command prints."""
        result = self.run(*words, "--json", **options)
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def refused(self, *words: str, **options: str) -> StrataError:
        result = self.run(*words, **options)
        assert isinstance(result.exception, StrataError), (result.output, result.exception)
        return result.exception

    def add_member(self, email: str, role: str, org: str = "acme") -> None:
        self.database.run("INSERT INTO users (email) VALUES (%s) ON CONFLICT DO NOTHING", email)
        self.database.run(
            "INSERT INTO memberships (organization_id, user_id, role)"
            " SELECT o.id, u.id, %s FROM organizations o, users u WHERE o.slug = %s AND u.email = %s",
            role, org, email,
        )  # fmt: skip

    def audited(self, action: str, org: str = "acme") -> list[dict[str, object]]:
        return self.database.rows(
            "SELECT a.* FROM audit_log a JOIN organizations o ON o.id = a.organization_id"
            " WHERE o.slug = %s AND a.action = %s ORDER BY a.id",
            org, action,
        )  # fmt: skip


@pytest.fixture
def console(database: Database, tmp_path: Path) -> Console:
    settings = {
        "STRATA_RELATIONAL_URL": database.url(APP),
        "STRATA_RELATIONAL_WORKER_URL": database.url(WORKER),
        "STRATA_WRAPPING_KEY": base64.b64encode(b"w" * 32).decode(),
        "STRATA_DATA_DIR": str(tmp_path),
    }
    console = Console(database, settings)
    for org in ("acme", "globex"):
        made = console.run(
            "init", "--email", f"ana@{org}.test", "--password-stdin", "--json", org=org, stdin="seven slow owls sing\n"
        )
        assert made.exit_code == 0, made.output
    return console


def test_a_role_is_made_changed_given_explained_and_taken_away(console):
    console.add_member("dev@acme.test", "custom")
    made = console.told(
        "roles", "create", "keeper", "--parent", "read_only", "--grant", "silences:write",
        "--grant", "alerts:write where env=prod, team=web",
    )  # fmt: skip
    assert {"resource": "alerts", "action": "write", "labels": {"env": "prod", "team": "web"}} in made["permissions"]
    assert made["parent"] == Role.READ_ONLY
    assert [role["name"] for role in console.told("roles", "list")] == [*Role, "keeper"]
    ask = ("roles", "explain", "dev@acme.test", "silences:write")
    before = console.told(*ask)
    assert (before["is_allowed"], before["missing"]) == (False, ["no role of the member holds silences:write"])
    assert console.told("roles", "assign", "keeper", "dev@acme.test")["role"] == made["id"]
    held = console.told(*ask)
    assert held["is_allowed"]
    assert held["through"][0]["inherited"] == ["keeper"]
    by_label = ("roles", "explain", "dev@acme.test", "alerts:write", "--label", "team=web", "--label")
    assert console.told(*by_label, "env=prod")["is_allowed"]
    assert console.told(*by_label, "env=test")["missing"] == ["alerts:write is held only where env=prod, team=web"]
    assert console.refused("roles", "delete", "keeper").code == "role_in_use"
    shown = console.told("roles", "show", "keeper")
    assert len(shown["assignments"]) == 1
    changed = console.told("roles", "update", "keeper", "--name", "night keeper", "--grant", "hosts:read")
    assert (changed["version"], changed["permissions"]) == (2, [{"resource": "hosts", "action": "read"}])
    assert changed["parent"] == Role.READ_ONLY
    assert not console.told(*ask)["is_allowed"]
    console.told("roles", "unassign", "night keeper", "dev@acme.test")
    assert console.refused("roles", "unassign", "night keeper", "dev@acme.test").code == "assignment_not_found"
    console.told("roles", "delete", "night keeper")
    assert [role["name"] for role in console.told("roles", "list")] == list(Role)
    assert [row["actor_label"] for row in console.audited("role.created")] == [f"{account_name()} (command line)"]
    assert [role["name"] for role in console.told("roles", "list", org="globex")] == list(Role)


def test_a_team_hands_its_roles_to_whom_it_holds(console):
    console.add_member("dev@acme.test", "custom")
    console.told("teams", "create", "night shift", "--description", "awake")
    console.told("roles", "assign", "devops", "team:night shift")
    console.told("teams", "add", "night shift", "dev@acme.test")
    why = console.told("roles", "explain", "dev@acme.test", "hosts:write")
    assert (why["is_allowed"], why["through"][0]["via"], why["through"][0]["team"]) == (True, "team", "night shift")
    assert [member["email"] for member in console.told("teams", "show", "night shift")["members"]] == ["dev@acme.test"]
    assert console.told("teams", "update", "night shift", "--name", "owls")["description"] == "awake"
    console.told("teams", "remove", "owls", "dev@acme.test")
    assert not console.told("roles", "explain", "dev@acme.test", "hosts:write")["is_allowed"]
    console.told("teams", "delete", "owls")
    assert console.told("teams", "list") == []


def test_a_service_account_may_what_its_roles_and_its_keys_scopes_both_say(console):
    console.told("service-accounts", "create", "ci")
    key = console.told("service-accounts", "key", "ci", "--name", "deploys", "--scope", "hosts:write")
    ask = ("roles", "explain", f"api_key:{key['id']}", "hosts:write")
    assert not console.told(*ask)["is_allowed"]
    console.told("roles", "assign", "devops", "service_account:ci")
    assert console.told(*ask)["is_allowed"]
    assert not console.told("roles", "explain", f"api_key:{key['id']}", "services:write")["is_allowed"]
    assert console.told("service-accounts", "update", "ci", "--description", "deploys")["name"] == "ci"
    console.told("service-accounts", "delete", "ci")
    assert console.told("service-accounts", "list") == []
    assert isinstance(console.refused(*ask), NotFoundError)


def test_members_are_asked_in_changed_and_removed_and_an_owner_stays(console):
    console.add_member("dev@acme.test", "developer")
    asked = console.told("members", "invite", "new@acme.test", "--role", "developer")
    assert asked["email"] == "new@acme.test"
    assert [row["recipient"] for row in console.database.rows("SELECT recipient FROM mails")] == ["new@acme.test"]
    assert console.refused("members", "invite", "new@acme.test", "--role", "developer").code == "already_invited"
    console.told("members", "role", "dev@acme.test", "devops")
    listed = {each["email"]: each["role"] for each in console.told("members", "list")}
    assert listed == {"ana@acme.test": "owner", "dev@acme.test": "devops"}
    assert [each["email"] for each in console.told("members", "list", "--role", "owner")] == ["ana@acme.test"]
    assert console.refused("members", "remove", "ana@acme.test").code == "last_owner"
    console.told("members", "remove", "dev@acme.test")
    assert len(console.told("members", "list")) == 1
    assert isinstance(console.refused("members", "remove", "ana@globex.test"), NotFoundError)


def test_whoever_acts_as_a_member_may_what_that_member_may(console):
    console.add_member("dev@acme.test", "developer")
    console.add_member("adm@acme.test", "admin")
    as_developer = ("--as", "dev@acme.test")
    refused = console.refused("roles", "create", "mine", "--grant", "hosts:read", *as_developer)
    assert (type(refused), refused.code) == (DeniedError, "permission_missing")
    as_admin = ("--as", "adm@acme.test")
    beyond = console.refused("roles", "create", "mine", "--grant", "organization:delete", *as_admin)
    assert (type(beyond), beyond.code) == (DeniedError, "grant_exceeds_grantor")
    assert console.refused("members", "remove", "ana@acme.test", *as_admin).code == "grant_exceeds_grantor"
    console.told("roles", "create", "mine", "--grant", "hosts:read", *as_admin)
    (row,) = console.audited("role.created")
    assert row["actor_kind"] == "user"
    assert row["actor_label"] == f"adm@acme.test, by {account_name()} (command line)"
    assert isinstance(console.refused("roles", "list", "--as", "ana@globex.test"), NotFoundError)


def test_mistakes_are_told_by_what_was_typed(console):
    assert isinstance(console.refused("roles", "show", "nobody"), NotFoundError)
    assert console.refused("roles", "create", "x", "--grant", "hosts:paint").code == "bad_role"
    assert console.refused("roles", "create", "x", "--grant", "hosts:write where prod").code == "bad_label"
    assert console.refused("roles", "update", "admin", "--name", "x").code == "built_in_role"
    assert isinstance(console.refused("roles", "assign", "devops", "nobody"), InvalidError)
    console.told("roles", "create", "x")
    assert isinstance(console.refused("roles", "create", "x"), ConflictError)
    assert "x inherits" not in console.run("roles", "list").output


def test_the_command_itself_fails_in_json_without_a_traceback(console):
    words = [str(SOLE), "roles", "show", "nobody", "--org", "acme", "--json"]
    ended = subprocess.run(words, env=console.settings, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["error"]["code"] == "role_not_found"
    assert "Traceback" not in ended.stderr
