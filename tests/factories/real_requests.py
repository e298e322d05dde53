"""For every operation a request that succeeds: real ids, a valid body. What is not known here is taken from the
document where that is enough: a list, or an operation on a kind of thing that is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
from sqlalchemy import func, insert, select, update

from fixtures.api import ApiWorld, Tenant
from strata_core.context import Actor, ActorKind, Context
from strata_core.dead_letters.commands import keep
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.sagas.definitions import LocalStep, SagaDefinition, nothing_to_undo
from strata_core.sagas.starting import start_saga
from strata_core.series.commands import register
from strata_core.server_metrics.commands import keep_parts
from strata_core.server_metrics.summaries import refresh
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_datamodel.server_metrics import LEVELS
from strata_datamodel.tables.alerting import alerts
from strata_datamodel.tables.notifying import notifications
from strata_datamodel.tables.organizations import memberships
from strata_datamodel.tables.outbox import outbox
from strata_datamodel.tables.sagas import sagas
from strata_datamodel.tables.server_metrics import error_logs, server_metrics, server_metrics_daily

Body = Mapping[str, object]
DASHBOARD = {
    "title": "Servers",
    "panels": [{"id": 1, "queries": [{"ref_id": "A", "question": {"measurement": "cpu", "field": "usage"}}]}],
}
CONDITION = {"measurement": "system_metrics", "field": "value", "threshold": 90}


def named() -> str:
    return f"thing-{uuid4().hex[:12]}"


@dataclass
class Things:
    """Real things of one organization, each made for whoever asks."""

    world: ApiWorld
    tenant: Tenant
    made: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Body, suffix: str = "") -> str:
        answer = self.world.client.post(f"{self.tenant.path}/{path}{suffix}", json=body, headers=self.tenant.admin)
        assert answer.status_code == 201, f"{path}: {answer.text}"
        return str(answer.json()["id"])

    def path(self, template: str) -> str:
        """With an id of this organization for every parameter."""
        self.made = {"org": self.tenant.slug}
        while "{" in template:
            before, _, rest = template.partition("{")
            parameter, _, after = rest.partition("}")
            if parameter not in self.made:
                self.made[parameter] = MAKERS[parameter](self)
            template = before + self.made[parameter] + after
        if template.endswith("/identity-provider"):
            self.identity_provider(template)
        return template

    def identity_provider(self, path: str) -> None:
        """An organization has one at most, and it has no id in paths."""
        headers = {**self.tenant.admin, "if-match": "*"}
        body = BODIES["identity_provider_put"](self)
        self.world.client.put(path, json=body, headers=headers).raise_for_status()

    def alert(self) -> str:
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            ids = {"organization_id": self.tenant.organization_id, "id": new_id(uow)}
            uow.execute(insert(alerts), {**ids, "fingerprint": named(), "severity": "critical"})
        return str(ids["id"])

    def dead_letter(self) -> str:
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            return str(
                keep(
                    uow,
                    signal="metrics",
                    store="metrics",
                    reason="refused",
                    item_count=1,
                    content=b"cpu value=1",
                    content_format="line_protocol",
                )
            )

    def parked_event(self) -> str:
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            event_id = append(uow, Event("alert.fired", 1, "alert", new_id(uow)))
            uow.execute(
                update(outbox).where(outbox.c.id == event_id).values(state="parked", attempts=20, last_error="refused")
            )
        return str(event_id)

    def saga(self) -> str:
        """Waiting after a failure: everything may be asked of it."""
        definition = SagaDefinition(
            "tried", 1, (LocalStep("only", nothing_to_undo, nothing_to_undo),), None, timedelta(hours=1)
        )
        ctx = Context(self.tenant.organization_id, Actor(ActorKind.SYSTEM, None, "test"), frozenset(), "test")
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            saga_id = start_saga(ctx, uow, definition, {})
            uow.execute(update(sagas).where(sagas.c.id == saga_id).values(failures=1))
        return str(saga_id)

    def user(self) -> str:
        email = self.tenant.member("developer", self.world.hasher)
        return str(self.world.database.rows("SELECT id FROM users WHERE email = %s", email)[0]["id"])

    def membership(self) -> str:
        row = self.world.database.rows(
            f"SELECT id FROM {memberships.name} WHERE user_id = %s AND organization_id = %s",
            self.user(),
            self.tenant.organization_id,
        )
        return str(row[0]["id"])

    def invitation(self) -> str:
        """Sent long enough ago to be sent again."""
        made = self.post("invitations", BODIES["invitations_create"](self))
        self.world.database.run("UPDATE invitations SET sent_at = sent_at - interval '1 day' WHERE id = %s", made)
        return made

    def team_member(self) -> str:
        """Of the team that the path names, when it names one."""
        user = self.user()
        if "team_id" in self.made:
            path = f"{self.tenant.path}/teams/{self.made['team_id']}/members/{user}"
            self.world.client.put(path, headers=self.tenant.admin).raise_for_status()
        return user

    def notification(self) -> None:
        """Of the webhook that the path names."""
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            row = {"organization_id": self.tenant.organization_id, "id": new_id(uow), "outbox_id": new_id(uow)}
            row["webhook_id"] = UUID(self.made["webhook_id"])
            uow.execute(insert(notifications), {**row, "event_kind": "alert.fired"})

    def series(self) -> None:
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            tags = tuple(sorted({"host": named(), named(): "x"}.items()))
            register(uow, [SeriesKey(named(), tags, named(), FieldClass.NUMBER)])

    def server_rows(self) -> None:
        """Of the host that the path names, each five seconds after the one before."""
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            keep_parts(uow)
            host = UUID(self.made["host_id"])
            held = uow.execute(
                select(func.count()).select_from(server_metrics).where(server_metrics.c.server_id == host)
            )
            at = uow.now() - timedelta(hours=1) + held.scalar_one() * timedelta(seconds=5)
            row = {"organization_id": uow.organization_id, "server_id": host, "timestamp": at}
            uow.execute(insert(server_metrics), {**row, "cpu_usage": 7})
            uow.execute(insert(error_logs), {**row, "id": new_id(uow), "level": "error", "message": "disk full"})

    def server_day(self) -> None:
        """Of a host in a region of its own."""
        host = self.post("hosts", {"name": named()})
        with self.tenant.system_units.organization(self.tenant.organization_id) as uow:
            row = {"organization_id": uow.organization_id, "server_id": UUID(host), "region": named()}
            counts = dict.fromkeys((f"{part}_samples" for part in LEVELS), 0)
            uow.execute(
                insert(server_metrics_daily), {**row, **counts, "day": uow.now().date(), "samples": 1, "errors": 0}
            )
            refresh(uow)

    def dashboard_version(self) -> None:
        """Of the dashboard that the path names."""
        path = f"{self.tenant.path}/dashboards/{self.made['dashboard_id']}"
        headers = {**self.tenant.admin, "if-match": "*"}
        self.world.client.put(path, json=DASHBOARD, headers=headers).raise_for_status()

    def dependency(self) -> str:
        return self.post(
            "services", BODIES["service_dependencies_create"](self), f"/{self.made['service_id']}/dependencies"
        )


# By the name that the parameter has in paths.
MAKERS: dict[str, Callable[[Things], str]] = {
    "account_id": lambda the: the.post("service-accounts", {"name": named()}),
    "alert_id": Things.alert,
    "api_key_id": lambda the: the.post("api-keys", {"name": named(), "scopes": ["api_keys:read"]}),
    "assignment_id": lambda the: the.post("role-assignments", BODIES["role_assignments_create"](the)),
    "dashboard_id": lambda the: the.post("dashboards", DASHBOARD),
    "dead_letter_id": Things.dead_letter,
    "dependency_id": Things.dependency,
    "erasure_id": lambda the: the.post("erasures", BODIES["erasures_create"](the)),
    "event_id": Things.parked_event,
    "host_id": lambda the: the.post("hosts", {"name": named()}),
    "invitation_id": Things.invitation,
    "member_id": Things.membership,
    "panel_id": lambda _: "1",
    "role_id": lambda the: the.post("roles", {"name": named()}),
    "rule_id": lambda the: the.post("alert-rules", BODIES["alert_rules_create"](the)),
    "saga_id": Things.saga,
    "service_id": lambda the: the.post("services", {"name": named()}),
    "team_id": lambda the: the.post("teams", {"name": named()}),
    "user_id": Things.team_member,
    "version": lambda _: "1",
    "webhook_id": lambda the: the.post("webhooks", BODIES["webhooks_create"](the)),
}


def _name(_: Things) -> Body:
    return {"name": named()}


def _rule(_: Things) -> Body:
    return {"name": named(), "condition": CONDITION}


def _webhook(_: Things) -> Body:
    return {"name": named(), "url": "https://example.com/hook"}


def _service(the: Things) -> Body:
    return {"name": named(), "host_id": MAKERS["host_id"](the)}


def _role(the: Things) -> Body:
    return {"name": named(), "parent": MAKERS["role_id"](the)}


# By operation id. Ids in them are of the organization that is asked for the body.
BODIES: dict[str, Callable[[Things], Body]] = {
    "alert_rules_create": _rule,
    "alert_rules_replace": _rule,
    "api_keys_create": lambda the: {
        "name": named(),
        "scopes": ["api_keys:read"],
        "service_account_id": MAKERS["account_id"](the),
    },
    "api_keys_update": lambda _: {"name": "renamed", "allowed_networks": ["127.0.0.0/8"]},
    "api_keys_rotate": lambda _: {"overlap_hours": 1},
    "dashboard_versions_restore": lambda _: {"message": "as it was"},
    "dashboards_create": lambda _: DASHBOARD,
    "dashboards_import": lambda _: {"dashboard": {"title": "imported", "panels": []}},
    "dashboards_panel_data": lambda _: {"from": "now-1h"},
    "dashboards_replace": lambda _: DASHBOARD,
    "erasures_create": lambda _: {"kind": "host", "value": named()},
    "hosts_create": _name,
    "hosts_replace": _name,
    "hosts_update": lambda _: {"environment": "test"},
    "identity_provider_put": lambda _: {
        "issuer": "https://login.example.com",
        "client_id": named(),
        "client_secret": named(),
    },
    "invitations_create": lambda _: {"email": f"{named()}@invited.test", "role": "developer"},
    "alerts_search": lambda _: {"query": "severity:critical"},
    "logs_search": lambda _: {"query": "level:error"},
    "members_update": lambda _: {"role": "devops"},
    "metrics_query": lambda _: {"measurement": "system_metrics", "field": "value", "aggregate": "avg"},
    "orgs_update": lambda the: {"name": the.tenant.slug.title()},
    "role_assignments_create": lambda the: {
        "subject": f"service_account:{MAKERS['account_id'](the)}",
        "role": MAKERS["role_id"](the),
    },
    "roles_create": _role,
    "roles_replace": _name,
    "service_accounts_create": _name,
    "service_accounts_replace": _name,
    "service_dependencies_create": lambda the: {"depends_on_id": MAKERS["service_id"](the)},
    "services_create": _service,
    "services_replace": _service,
    "services_update": lambda the: {"host_id": MAKERS["host_id"](the)},
    "teams_create": _name,
    "teams_replace": _name,
    "webhooks_create": _webhook,
    "webhooks_replace": _webhook,
}
NEEDED: dict[str, dict[str, str]] = {"metric_tag_values": {"key": "host"}}
"""What a list cannot be asked for without."""
QUERIES: dict[str, Callable[[Things], dict[str, str]]] = {
    "metric_tag_values": lambda _: NEEDED["metric_tag_values"],
    "access_explain": lambda the: {"permission": "hosts:read", "subject": f"team:{MAKERS['team_id'](the)}"},
    "alerts_list": lambda the: {"rule_id": MAKERS["rule_id"](the)},
    "api_keys_list": lambda the: {"service_account_id": MAKERS["account_id"](the)},
    "dashboard_versions_changes": lambda _: {"against": "1"},
    "audit_log_list": lambda the: {"actor_id": str(the.tenant.owner_id)},
    "orgs_delete": lambda the: {"confirm": the.tenant.slug, "grace_hours": "1"},
    "role_assignments_list": lambda the: {"role": MAKERS["role_id"](the)},
    "services_list": lambda the: {"host_id": MAKERS["host_id"](the)},
}
# By operation id of a list: what makes it longer by one.
LISTED: dict[str, Callable[[Things], object]] = {
    "access_log_list": lambda the: the.world.client.get(f"{the.tenant.path}/audit-log", headers=the.tenant.admin),
    "alert_rules_list": MAKERS["rule_id"],
    "alerts_list": MAKERS["alert_id"],
    "api_keys_list": MAKERS["api_key_id"],
    "audit_log_list": MAKERS["host_id"],
    "dashboard_versions_list": Things.dashboard_version,
    "dashboards_list": MAKERS["dashboard_id"],
    "dead_letters_list": MAKERS["dead_letter_id"],
    "erasures_list": MAKERS["erasure_id"],
    "hosts_list": MAKERS["host_id"],
    "invitations_list": MAKERS["invitation_id"],
    "members_list": MAKERS["member_id"],
    "metric_fields": Things.series,
    "metric_measurements": Things.series,
    "metric_tag_values": Things.series,
    "metric_tags": Things.series,
    "metrics_catalogue": Things.series,
    "parked_events_list": MAKERS["event_id"],
    "role_assignments_list": MAKERS["assignment_id"],
    "roles_list": MAKERS["role_id"],
    "sagas_list": MAKERS["saga_id"],
    "servers_errors": Things.server_rows,
    "servers_metrics": Things.server_rows,
    "servers_regions": Things.server_day,
    "service_accounts_list": MAKERS["account_id"],
    "services_list": MAKERS["service_id"],
    "team_members_list": Things.team_member,
    "teams_list": MAKERS["team_id"],
    "webhook_notifications_list": Things.notification,
    "webhooks_list": MAKERS["webhook_id"],
}


@dataclass(frozen=True)
class Valid:
    """A request that its organization's owner may make."""

    method: str
    path: str
    body: Body | None
    query: Mapping[str, str]

    def send(self, client: httpx.Client, headers: Mapping[str, str] | None = None, **changes: object) -> httpx.Response:
        options: dict[str, object] = {"params": dict(self.query)}
        if self.body is not None:
            options["json"] = self.body
        return client.request(
            self.method,
            str(changes.pop("path", self.path)),
            headers={"if-match": "*", **(headers or {})},
            **{**options, **changes},  # type: ignore[arg-type]
        )


def has_body(operation: Mapping[str, object]) -> bool:
    return "requestBody" in operation


def unknown(path: str, operation: Mapping[str, object]) -> list[str]:
    """What is missing here for this operation."""
    name = str(operation["operationId"])
    parameters = [part.split("}")[0] for part in path.split("{")[1:]]
    missing = [each for each in parameters if each != "org" and each not in MAKERS]
    return missing + ([f"body of {name}"] if has_body(operation) and name not in BODIES else [])


def valid(the: Things, path: str, method: str, operation: Mapping[str, object]) -> Valid:
    name = str(operation["operationId"])
    real = the.path(path)
    body = BODIES[name](the) if name in BODIES else None
    query = QUERIES[name](the) if name in QUERIES else {}
    return Valid(method.upper(), real, body, query)
