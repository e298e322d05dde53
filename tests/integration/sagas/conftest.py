"""A world for sagas: two organizations, units of the worker, a clock that can be moved."""

import pytest

from fixtures.relational import Database, TwoOrganizations
from scenario.saga_kills import SagaWorld
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context


@pytest.fixture
def world(system_units, shifted_clock, database: Database) -> SagaWorld:
    return SagaWorld(system_units, shifted_clock, database)


@pytest.fixture
def ctx(two_organizations: TwoOrganizations) -> Context:
    return Context(two_organizations.first, Actor(ActorKind.USER, None, "ana@acme.test"), PERMISSIONS, "test")
