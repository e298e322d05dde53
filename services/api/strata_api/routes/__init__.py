"""One file a feature. A new one is added to ROUTERS."""

from typing import Final

from fastapi import APIRouter

from strata_api.routes import api_keys, auth, me, organizations, probes

ROUTERS: Final[tuple[APIRouter, ...]] = (
    probes.router,
    auth.router,
    me.router,
    organizations.router,
    api_keys.router,
)
