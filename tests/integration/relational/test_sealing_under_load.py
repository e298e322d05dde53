"""A secret is sealed within a transaction, and its key is looked up in another one."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from strata_core.notifying.webhooks import WebhookDraft, create_webhook
from strata_core.ports.secret_box import SecretPlace
from strata_stores.postgres.roles import APP, OWNER, WORKER
from strata_stores.relational import Relational, ServerUrls, open_relational
from strata_stores.settings import RelationalUrls, Settings

POOL = 10
PATIENCE_S = 20


@pytest.fixture
def relational(database: Database, tmp_path: Path) -> Iterator[Relational]:
    app, worker, owner = (SecretStr(database.url(role)) for role in (APP, WORKER, OWNER))
    urls = ServerUrls(RelationalUrls(app=app, worker=worker, owner=owner), redis=SecretStr(""))
    with open_relational(Settings(data_dir=tmp_path), urls, with_system=False) as opened:
        yield opened


def test_as_many_transactions_as_there_are_connections_all_get_their_first_key(
    relational: Relational, two_organizations: TwoOrganizations
) -> None:
    """With one pool for both, each would hold a connection and wait for another until all of them time out."""
    organizations = (two_organizations.first, two_organizations.second)
    together = threading.Barrier(POOL)

    def seal(number: int) -> bytes:
        organization_id = organizations[number % 2]
        with relational.units.organization(organization_id):
            together.wait(PATIENCE_S)
            place = SecretPlace(organization_id, "t", "c", uuid4())
            return relational.secret_box.open(place, relational.secret_box.seal(place, b"secret"))

    with ThreadPoolExecutor(POOL) as pool:
        assert list(pool.map(seal, range(POOL))) == [b"secret"] * POOL


def test_the_first_webhooks_of_an_organization_are_made_at_once(
    relational: Relational, two_organizations: TwoOrganizations
) -> None:
    ctx = context(two_organizations.first)
    together = threading.Barrier(POOL)

    def make(number: int) -> object:
        together.wait(PATIENCE_S)
        with relational.units.organization(ctx.organization_id) as uow:
            draft = WebhookDraft(name=f"hook-{number}", url="https://hooks.example/x")
            return create_webhook(ctx, uow, relational.secret_box, draft)["id"]

    with ThreadPoolExecutor(POOL) as pool:
        assert len(set(pool.map(make, range(POOL)))) == POOL
