"""Composes the API from open stores."""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from strata_api.api_deps import ApiDeps
from strata_api.app import create_app
from strata_core.mail.links import LINK_KEY_PURPOSE, LinkKey
from strata_datamodel.health import StoreHealth
from strata_stores.channels.guarded_fetch import GuardedFetch
from strata_stores.channels.oidc import OidcProviders
from strata_stores.factory import Stores
from strata_stores.figures import CacheFiguresCollector, LimiterFigures, StoreFigures
from strata_stores.passkeys.webauthn_ceremonies import WebauthnCeremonies
from strata_stores.passwords.known import ListedPasswords
from strata_stores.settings import Settings

HealthCheck = Callable[[], Sequence[StoreHealth]]


def build_api(
    stores: Stores,
    settings: Settings,
    *,
    more_health: Sequence[HealthCheck] = (),
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """`more_health` is what else /readyz shows: loops, embedded servers."""
    registry = registry or CollectorRegistry()
    registry.register(StoreFigures(stores.breakers))
    registry.register(LimiterFigures(stores.rate_limiter))
    deps = ApiDeps(
        units=stores.units,
        metric_store=stores.metric_store,
        log_store=stores.log_store,
        search_index=stores.search_index,
        cache=stores.cache,
        latest_values=stores.latest_values,
        copies=stores.copies,
        clock=stores.clock,
        password_hasher=stores.password_hasher,
        known_passwords=ListedPasswords.with_file(settings.breached_passwords_file),
        passkeys=WebauthnCeremonies(),
        identity_providers=OidcProviders(
            stores.clock, GuardedFetch.trusting(stores.clock, settings.outbound_allow, settings.ca_file)
        ),
        secret_box=stores.secret_box,
        rate_limiter=stores.rate_limiter,
        health_checks=lambda: [*stores.health(), *(item for check in more_health for item in check())],
        cursor_key=stores.keyring.derive("cursors"),
        live_bus=stores.live_bus,
        link_key=LinkKey(stores.keyring.derive(LINK_KEY_PURPOSE)),
        public_url=settings.public_url,
        has_self_service=settings.self_service_organizations == "members",
        address_requests_per_second=settings.address_requests_per_second,
        version=version("strata"),
        registry=registry,
    )
    registry.register(CacheFiguresCollector(deps.answers.figures))
    return create_app(deps)
