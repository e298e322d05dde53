"""What the parts of the metric store contract are about: a store, and two organizations that share it."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from strata_core.ports.metric_store import MetricStore
from strata_datamodel.ids import OrganizationId


class MetricSubjects:
    @pytest.fixture
    def metric_store(self, new_store: Callable[..., MetricStore]) -> MetricStore:
        return new_store()

    @pytest.fixture
    def acme(self) -> OrganizationId:
        return OrganizationId(uuid4())

    @pytest.fixture
    def umbrella(self) -> OrganizationId:
        return OrganizationId(uuid4())
