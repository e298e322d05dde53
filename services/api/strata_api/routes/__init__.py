"""One file a feature. A new one is added to ROUTERS."""

from typing import Final

from fastapi import APIRouter

from strata_api.routes import (
    access,
    alert_rules,
    alerts,
    api_keys,
    audit_log,
    auth,
    dead_letters,
    hosts,
    logs,
    me,
    metrics,
    my_sessions,
    organizations,
    passkeys,
    passwords,
    probes,
    quotas,
    role_assignments,
    roles,
    second_factors,
    service_accounts,
    services,
    teams,
    webhooks,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    probes.router,
    auth.router,
    passwords.router,
    passkeys.router,
    me.router,
    my_sessions.router,
    second_factors.router,
    organizations.router,
    api_keys.router,
    roles.router,
    role_assignments.router,
    access.router,
    teams.router,
    service_accounts.router,
    alert_rules.router,
    alerts.router,
    webhooks.router,
    metrics.router,
    logs.router,
    hosts.router,
    services.router,
    dead_letters.router,
    audit_log.router,
    quotas.router,
)
