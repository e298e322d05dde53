"""`strata demo`: an organization with something to look at."""

import gzip
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import uuid4

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from strata_cli.administration import administration
from strata_cli.demo_world import MACHINES, STEP_S, log_documents, metric_lines
from strata_cli.provisioning import provision
from strata_cli.rendering import err, out
from strata_cli.setup import OPERATOR
from strata_core.access.commands import create_api_key
from strata_core.access.key_rows import KeyDraft
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Context
from strata_core.organizations.queries import organization_of
from strata_datamodel.errors import NotFoundError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import SystemClock
from strata_stores.embedded.directory import RunningInstance, running_instance
from strata_stores.passwords.argon2 import Argon2PasswordHasher
from strata_stores.settings import Settings

STEPS_PER_REQUEST: Final = 60
EMAIL: Final = "demo@strata.test"
_KEY_DAYS: Final = 7
_RULE: Final = {
    "name": "CPU above 75 %",
    "severity": "critical",
    "interval_s": 30,
    "condition": {
        "measurement": "system_metrics", "field": "value", "aggregate": "avg", "comparison": ">", "threshold": 75,
        "window_s": 120, "group_by": ["host"], "filters": [{"tag": "metric_type", "op": "=", "values": ["cpu"]}],
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """`password` is None when the organization was there before."""

    slug: str
    ingest: httpx.Client
    api: httpx.Client
    password: str | None = field(repr=False)


def run_demo(settings: Settings, *, org: str, hours: int, once: bool) -> None:
    running = running_instance(settings.data_dir)
    if running is None or running.api_url is None or running.ingest_url is None:
        raise UnavailableError(
            f"no Strata is running on {settings.data_dir}", code="not_running", hint="start one with `make up`"
        )
    access = _enter(settings, running, org)
    try:
        _make_rule(access)
        _fill(access, hours)
        _explain(access, running)
        if not once:
            _feed(access)
    finally:
        access.ingest.close()
        access.api.close()


def _provision(settings: Settings, slug: str, password: str) -> OrganizationId:
    hasher = Argon2PasswordHasher()
    try:
        password_hash = hasher.hash(password)
    finally:
        hasher.close()
    options = {"slug": slug, "name": "Demo", "email": EMAIL}
    return provision(settings, "demo", **options, password_hash=password_hash, actor=OPERATOR).organization.id


def _enter(settings: Settings, running: RunningInstance, slug: str) -> Access:
    password: str | None = None
    with administration(settings, "strata demo") as relational:
        if relational.system_units is None:
            raise UnavailableError("this needs the worker's database role", code="no_worker_role")
        with relational.system_units.system() as uow:
            try:
                organization_id = organization_of(uow, slug).id
            except NotFoundError:
                organization_id = None
        if organization_id is None:
            password = secrets.token_urlsafe(12)
            organization_id = _provision(settings, slug, password)
        ctx = Context(organization_id, OPERATOR, PERMISSIONS, f"demo-{uuid4()}")
        with relational.system_units.organization(organization_id) as uow:
            expires_at = uow.now() + timedelta(days=_KEY_DAYS)
            key = create_api_key(ctx, uow, KeyDraft("demo", ["admin"], expires_at=expires_at)).text
    headers = {"authorization": f"Bearer {key}"}
    return Access(
        slug,
        httpx.Client(base_url=str(running.ingest_url), headers=headers, timeout=60, trust_env=False),
        httpx.Client(base_url=str(running.api_url), headers=headers, timeout=60, trust_env=False),
        password,
    )


def _make_rule(access: Access) -> None:
    answer = access.api.post(f"/api/v1/orgs/{access.slug}/alert-rules", json=_RULE)
    if answer.status_code not in {201, 409}:
        raise _refused(answer)


def _fill(access: Access, hours: int) -> None:
    now = SystemClock().now_ns() // 1_000_000_000
    first = (now - hours * 3600) // STEP_S * STEP_S
    steps = range(first, now, STEP_S)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(f"filling {hours} h of {len(MACHINES)} machines", total=len(steps))
        for start in range(0, len(steps), STEPS_PER_REQUEST):
            chunk = steps[start : start + STEPS_PER_REQUEST]
            _send(access, chunk)
            progress.advance(task, len(chunk))


def _feed(access: Access) -> None:
    clock, waiting = SystemClock(), threading.Event()
    out.print("feeding on, a step every 10 s; Ctrl-C stops", markup=False)
    while True:
        second = clock.now_ns() // 1_000_000_000
        waiting.wait(STEP_S - second % STEP_S)
        _send(access, range(second // STEP_S * STEP_S, second // STEP_S * STEP_S + 1))


def _send(access: Access, seconds: range) -> None:
    _post(access, "/api/v2/write?precision=s", "text/plain", seconds, metric_lines)
    _post(access, "/_bulk", "application/x-ndjson", seconds, log_documents)


def _post(access: Access, path: str, content_type: str, seconds: range, lines: Callable[[int], Iterator[str]]) -> None:
    text = "\n".join(line for second in seconds for line in lines(second)) + "\n"
    headers = {"content-type": content_type, "content-encoding": "gzip"}
    body, waiting, pauses_s = gzip.compress(text.encode(), 1), threading.Event(), [1, 2, 5, 10]
    answer = access.ingest.post(path, content=body, headers=headers)
    while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and pauses_s:
        waiting.wait(pauses_s.pop(0))
        answer = access.ingest.post(path, content=body, headers=headers)
    if answer.is_error:
        raise _refused(answer)


def _refused(answer: httpx.Response) -> UnavailableError:
    return UnavailableError(
        f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:300]}", code="refused"
    )


def _explain(access: Access, running: RunningInstance) -> None:
    out.print(f"organization   {access.slug}", markup=False)
    if access.password is not None:
        out.print(f"sign in        {EMAIL} / {access.password}   (shown once)", markup=False)
    out.print(f"API            {running.api_url}/api/v1/orgs/{access.slug}/alerts", markup=False)
