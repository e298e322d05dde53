"""The sagas that workers of this release can run. An old version stays until no saga of it is left."""

from typing import Final

from strata_core.sagas.definitions import SagaDefinition
from strata_core.search.reindexing import REINDEX

SAGAS: Final[tuple[SagaDefinition, ...]] = (REINDEX,)
