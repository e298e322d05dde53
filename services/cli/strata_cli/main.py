"""The `strata` command: what can be said to it, and nothing of how it is done.

Each command imports what it runs: `--help` must not wait for the drivers of every store.
"""

import sys
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from strata_cli.commands import cells, deletion
from strata_cli.commands.dead_letters import app as letter_commands
from strata_cli.commands.doctor import app as doctor_commands
from strata_cli.commands.erasures import app as erasure_commands
from strata_cli.commands.members import app as member_commands
from strata_cli.commands.metrics import app as metric_commands
from strata_cli.commands.options import DataDir, Json, Org
from strata_cli.commands.query import query
from strata_cli.commands.receipts import app as receipt_commands
from strata_cli.commands.roles import app as role_commands
from strata_cli.commands.sagas import app as saga_commands
from strata_cli.commands.search import app as search_commands
from strata_cli.commands.service_accounts import app as account_commands
from strata_cli.commands.teams import app as team_commands
from strata_cli.rendering import fail
from strata_cli.signals import termination_raises
from strata_core.observing.logging import configure_logging
from strata_datamodel.errors import InvalidError, StrataError
from strata_stores.settings import load_settings

app = typer.Typer(
    name="strata",
    help="Metrics, logs, alerts and on-call for many organizations, on the stores each kind of data wants.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
db = typer.Typer(name="db", help="The relational schema.", no_args_is_help=True)
key_commands = typer.Typer(name="keys", help="An organization's API keys.", no_args_is_help=True)
app.add_typer(db)
app.add_typer(key_commands)
audit_commands = typer.Typer(name="audit", help="The audit log's hash chains.", no_args_is_help=True)
app.add_typer(audit_commands)
quota_commands = typer.Typer(name="quotas", help="What an organization may do a second.", no_args_is_help=True)
app.add_typer(quota_commands)
event_commands = typer.Typer(name="events", help="Events that failed too often.", no_args_is_help=True)
app.add_typer(event_commands)
org_commands = typer.Typer(name="orgs", help="All organizations, for an operator.", no_args_is_help=True)
app.add_typer(org_commands)
import_commands = typer.Typer(name="import", help="Take over what older systems hold.", no_args_is_help=True)
app.add_typer(import_commands)
for group in (
    doctor_commands,
    search_commands,
    metric_commands,
    member_commands,
    role_commands,
    team_commands,
    account_commands,
    saga_commands,
    letter_commands,
    erasure_commands,
    receipt_commands,
):
    app.add_typer(group)

WORKER_PROBE_PORT: Final = 8402
Bind = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
ApiPort = Annotated[int | None, typer.Option(help="Port of the API and the browser.", show_default="8400")]
IngestPort = Annotated[int | None, typer.Option(help="Port that agents send to.", show_default="8401")]


@app.command()
def up(data_dir: DataDir = None, bind: Bind = None, api_port: ApiPort = None, ingest_port: IngestPort = None) -> None:
    """Run everything in one process, on embedded stores unless the settings name servers."""
    from strata_cli.up import run_up

    run_up(load_settings(data_dir=data_dir, bind=bind, api_port=api_port, ingest_port=ingest_port))


@app.command()
def api(bind: Bind = None, api_port: ApiPort = None) -> None:
    """Run the API alone, on servers."""
    from strata_cli import roles

    roles.run_api(load_settings(bind=bind, api_port=api_port))


@app.command()
def ingest(bind: Bind = None, ingest_port: IngestPort = None, data_dir: DataDir = None) -> None:
    """Run ingest alone, on servers. Its spool is in the data directory: give each process its own."""
    from strata_cli import roles

    roles.run_ingest(load_settings(bind=bind, ingest_port=ingest_port, data_dir=data_dir))


@app.command()
def worker(
    bind: Bind = None,
    probe_port: Annotated[int, typer.Option(help="Port of its probes and figures.")] = WORKER_PROBE_PORT,
) -> None:
    """Run a worker alone, on servers: outbox, alert rules, notifications."""
    from strata_cli import roles

    roles.run_worker(load_settings(bind=bind), probe_port)


@app.command()
def init(
    org: Annotated[str, typer.Option("--org", help="Slug of the new organization: a-z, 0-9 and dashes.")],
    email: Annotated[str, typer.Option(help="Its owner's e-mail address.")],
    name: Annotated[str | None, typer.Option(help="Its name.", show_default="the slug")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,  # noqa: FBT002
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make an organization with an owner and its first keys. Works beside a running `strata up` and without one."""
    from strata_cli.setup import run_init

    settings = load_settings(data_dir=data_dir)
    password = _password(from_stdin=password_stdin)
    run_init(settings, slug=org, name=name or org, email=email, password=password, as_json=json)


@app.command()
def demo(
    data_dir: DataDir = None,
    org: Annotated[str, typer.Option("--org", help="Slug of the organization to fill; made when missing.")] = "demo",
    hours: Annotated[int, typer.Option(min=1, max=168, help="How far back to fill.")] = 6,
    once: Annotated[bool, typer.Option("--once", help="Fill and stop, instead of feeding on.")] = False,  # noqa: FBT002
) -> None:
    """Fill an organization of a running Strata with believable hosts, metrics, logs and incidents, and keep feeding."""
    from strata_cli.demo import run_demo

    run_demo(load_settings(data_dir=data_dir), org=org, hours=hours, once=once)


app.command()(query)


@db.command("upgrade")
def db_upgrade(
    target: Annotated[str, typer.Argument(help="Version to go up to.")] = "head",
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Apply the migrations that are missing."""
    from strata_cli import database

    database.run_upgrade(load_settings(data_dir=data_dir), target, as_json=json)


@db.command("status")
def db_status(data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """The version in place, what is pending, and the ledger of what was applied."""
    from strata_cli import database

    database.run_status(load_settings(data_dir=data_dir), as_json=json)


@db.command("downgrade")
def db_downgrade(
    target: Annotated[str, typer.Argument(help="Version to go back to, or `base` for an empty database.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, the SQL is shown.")] = False,  # noqa: FBT002
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Undo migrations, with the data in what they made. Shows the SQL unless --yes is given."""
    from strata_cli import database

    database.run_downgrade(load_settings(data_dir=data_dir), target, is_sure=yes, as_json=json)


@key_commands.command("list")
def keys_list(org: Org, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Keys of an organization, newest first."""
    from strata_cli import keys

    keys.run_list(load_settings(data_dir=data_dir), org, as_json=json)


@key_commands.command("create")
def keys_create(
    org: Org,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="admin, ingest, read or a permission; may be repeated.")],
    days: Annotated[int | None, typer.Option(min=1, help="Expires after so many days.", show_default="never")] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="Works from this address or network only; may be repeated.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make a key. It is shown once."""
    from strata_cli import keys

    keys.run_create(
        load_settings(data_dir=data_dir),
        org,
        name=name,
        scopes=scope,
        networks=network or [],
        days=days,
        as_json=json,
    )


@key_commands.command("revoke")
def keys_revoke(
    org: Org, key_id: Annotated[UUID, typer.Argument(help="Its id, as `keys list` shows it.")], data_dir: DataDir = None
) -> None:
    """Make a key stop working."""
    from strata_cli import keys

    keys.run_revoke(load_settings(data_dir=data_dir), org, key_id)


@quota_commands.command("list")
def quotas_list(org: Org, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """What an organization may do a second."""
    from strata_cli import quotas

    quotas.run_list(load_settings(data_dir=data_dir), org, as_json=json)


@quota_commands.command("set")
def quotas_set(
    org: Org,
    name: Annotated[str, typer.Option(help="Its name, as `quotas list` shows it.")],
    value: Annotated[int | None, typer.Option(min=1, help="A second.", show_default="back to the default")] = None,
    data_dir: DataDir = None,
) -> None:
    """Set a quota of an organization. It takes effect within 5 seconds."""
    from strata_cli import quotas

    quotas.run_set(load_settings(data_dir=data_dir), org, name=name, value=value)


@event_commands.command("parked")
def events_parked(org: Org, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Events that are not tried again by themselves, newest first, each with the reason of its last failure."""
    from strata_cli import events

    events.run_parked(load_settings(data_dir=data_dir), org, as_json=json)


@event_commands.command("retry")
def events_retry(
    org: Org,
    event: Annotated[UUID, typer.Argument(help="Its id, as `events parked` shows it.")],
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Set a parked event going again, with all its attempts before it."""
    from strata_cli import events

    events.run_retry(load_settings(data_dir=data_dir), org, event, as_json=json)


@key_commands.command("rotate-wrapping")
def keys_rotate_wrapping(
    new_key: Annotated[bool, typer.Option("--new-key", help="Draw a new key first (keys in a file only).")] = False,  # noqa: FBT002
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Wrap all data keys under the first of the wrapping keys. Works while Strata runs, and may be repeated."""
    from strata_cli import rotation

    rotation.run_rotate_wrapping(load_settings(data_dir=data_dir), with_new_key=new_key, as_json=json)


@key_commands.command("rotate-data")
def keys_rotate_data(
    org: Annotated[
        str | None, typer.Option("--org", help="Slug or id of the organization.", show_default="secrets of people")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make a new data key and seal every value anew with it. Works while Strata runs; broken off, it is taken up."""
    from strata_cli import rotation

    rotation.run_rotate_data(load_settings(data_dir=data_dir), org, as_json=json)


@audit_commands.command("verify")
def audit_verify(
    org: Annotated[
        str | None, typer.Option("--org", help="Slug or id of one organization.", show_default="all")
    ] = None,
    trust: Annotated[
        list[str] | None, typer.Option(help="Public key of a former signing key; may be repeated.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Walk the chains and ask the anchors: names the first broken row or anchor, and exits with 3."""
    from strata_cli import audit

    raise typer.Exit(audit.run_verify(load_settings(data_dir=data_dir), org, trust or [], as_json=json))


@audit_commands.command("public-key")
def audit_public_key(data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Print the public key that anchors are checked with. Keep a copy elsewhere."""
    from strata_cli import audit

    audit.run_public_key(load_settings(data_dir=data_dir), as_json=json)


OrgArgument = Annotated[str, typer.Argument(metavar="ORG", help="Slug or id of the organization.")]
Reason = Annotated[str, typer.Option(help="Kept in the organization's audit log.")]


@org_commands.command("list")
def orgs_list(data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """All organizations, by slug."""
    from strata_cli import organizations

    organizations.run_list(load_settings(data_dir=data_dir), as_json=json)


@org_commands.command("suspend")
def orgs_suspend(org: OrgArgument, reason: Reason, data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Close an organization to people, programs and agents, within seconds. What it holds is kept."""
    from strata_cli import organizations

    organizations.run_suspend(load_settings(data_dir=data_dir), org, reason=reason, as_json=json)


@org_commands.command("resume")
def orgs_resume(org: OrgArgument, reason: Reason = "", data_dir: DataDir = None, json: Json = False) -> None:  # noqa: FBT002
    """Open a suspended organization again."""
    from strata_cli import organizations

    organizations.run_resume(load_settings(data_dir=data_dir), org, reason=reason, as_json=json)


@org_commands.command("plan")
def orgs_plan(
    org: OrgArgument,
    plan: Annotated[str, typer.Argument(help="Name of the plan, as `free`.")],
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Set the plan an organization is on."""
    from strata_cli import organizations

    organizations.run_plan(load_settings(data_dir=data_dir), org, plan, as_json=json)


org_commands.command("delete")(deletion.delete)
org_commands.command("receipt")(deletion.receipt)
org_commands.command("cells")(cells.cells)
org_commands.command("cell")(cells.cell)
org_commands.command("move")(cells.move)


@import_commands.command("users")
def import_users(
    file: Annotated[Path, typer.Argument(help="A .csv with a header, or a .jsonl; `id` and `email` are needed.")],
    org: Org,
    source: Annotated[str, typer.Option(help="Name of the old system; its ids are kept under it.")] = "legacy",
    role: Annotated[str, typer.Option(help="Role of those whose row names none.")] = "read_only",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,  # noqa: FBT002
    data_dir: DataDir = None,
    json: Json = False,  # noqa: FBT002
) -> None:
    """Make the users of an older system members. Safe to repeat; rows that cannot be taken are named by line."""
    from strata_cli import importing

    settings = load_settings(data_dir=data_dir)
    code = importing.run_import_users(
        settings, file, org=org, source=source, role=role, is_dry_run=dry_run, as_json=json
    )
    raise typer.Exit(code)


def _password(*, from_stdin: bool) -> str:
    """Never from the command line, which every process on the machine can read."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidError("no password", code="no_password", hint="give it with --password-stdin")
    return str(typer.prompt("Password for the owner", hide_input=True, confirmation_prompt=True, err=True))


def main() -> None:
    """No traceback for what a user or an operator can put right."""
    configure_logging("warning", "auto")  # to stderr: stdout is for what was asked
    as_json = "--json" in sys.argv
    try:
        with termination_raises():
            app()
    except StrataError as error:
        sys.exit(fail(error, as_json=as_json))
