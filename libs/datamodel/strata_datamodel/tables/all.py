"""Importing this registers every table."""

from strata_datamodel.tables.access import api_keys, service_accounts
from strata_datamodel.tables.alerting import alert_rules, alert_states, alerts
from strata_datamodel.tables.audit import audit_log
from strata_datamodel.tables.dashboards import dashboard_versions, dashboards
from strata_datamodel.tables.erasing import erasures, receipts, tombstones
from strata_datamodel.tables.identity import external_identities, identity_providers
from strata_datamodel.tables.inventory import hosts, service_dependencies, services
from strata_datamodel.tables.ledger import schema_ledger
from strata_datamodel.tables.mails import mails
from strata_datamodel.tables.metadata import metadata
from strata_datamodel.tables.notifying import notifications, webhooks
from strata_datamodel.tables.organizations import memberships, organizations, settings
from strata_datamodel.tables.outbox import dead_letters, idempotency, outbox
from strata_datamodel.tables.people import email_changes, invitations, legacy_users
from strata_datamodel.tables.quotas import quotas
from strata_datamodel.tables.roles import role_assignments, roles
from strata_datamodel.tables.sagas import saga_steps, sagas
from strata_datamodel.tables.search import divergences, reconciliations, search_generations
from strata_datamodel.tables.secrets import data_keys
from strata_datamodel.tables.series import metric_series, series_counts
from strata_datamodel.tables.server_metrics import (
    error_logs,
    server_metric_marks,
    server_metrics,
    server_metrics_daily,
    server_metrics_hourly,
)
from strata_datamodel.tables.sign_in import (
    passkeys,
    recovery_codes,
    security_events,
    sign_in_attempts,
    sign_in_tickets,
    totp_secrets,
)
from strata_datamodel.tables.teams import team_members, teams
from strata_datamodel.tables.tiers import dirty_windows, tier_retentions, tier_watermarks
from strata_datamodel.tables.users import sessions, users
from strata_datamodel.tables.working import leases, spool_reports, workers

__all__ = [
    "alert_rules",
    "alert_states",
    "alerts",
    "api_keys",
    "audit_log",
    "dashboard_versions",
    "dashboards",
    "data_keys",
    "dead_letters",
    "dirty_windows",
    "divergences",
    "email_changes",
    "erasures",
    "error_logs",
    "external_identities",
    "hosts",
    "idempotency",
    "identity_providers",
    "invitations",
    "leases",
    "legacy_users",
    "mails",
    "memberships",
    "metadata",
    "metric_series",
    "notifications",
    "organizations",
    "outbox",
    "passkeys",
    "quotas",
    "receipts",
    "reconciliations",
    "recovery_codes",
    "role_assignments",
    "roles",
    "saga_steps",
    "sagas",
    "schema_ledger",
    "search_generations",
    "security_events",
    "series_counts",
    "server_metric_marks",
    "server_metrics",
    "server_metrics_daily",
    "server_metrics_hourly",
    "service_accounts",
    "service_dependencies",
    "services",
    "sessions",
    "settings",
    "sign_in_attempts",
    "sign_in_tickets",
    "spool_reports",
    "team_members",
    "teams",
    "tier_retentions",
    "tier_watermarks",
    "tombstones",
    "totp_secrets",
    "users",
    "webhooks",
    "workers",
]
