"""The sagas that workers of this release can run. An old version stays until no saga of it is left."""

from typing import Final

from strata_core.cells.saga import MOVE
from strata_core.erasures.saga import ERASURE, ERASURE_1
from strata_core.organizations.deletion import DELETION, DELETION_1
from strata_core.organizations.provisioning import PROVISIONING_SAGA
from strata_core.sagas.definitions import SagaDefinition
from strata_core.search.reindexing import REINDEX
from strata_core.server_metrics.summaries import SERVER_SUMMARIES

SAGAS: Final[tuple[SagaDefinition, ...]] = (
    PROVISIONING_SAGA,
    DELETION_1,
    DELETION,
    ERASURE_1,
    ERASURE,
    REINDEX,
    SERVER_SUMMARIES,
    MOVE,
)
