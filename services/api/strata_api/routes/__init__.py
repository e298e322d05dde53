"""One file a feature. A new one is added to ROUTERS."""

from typing import Final

from fastapi import APIRouter

from strata_api.routes import alert_rules, alerts, api_keys, auth, me, metrics, organizations, probes, webhooks

ROUTERS: Final[tuple[APIRouter, ...]] = (
    probes.router,
    auth.router,
    me.router,
    organizations.router,
    api_keys.router,
    alert_rules.router,
    alerts.router,
    webhooks.router,
    metrics.router,
)
