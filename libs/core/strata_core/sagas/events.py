"""What sagas tell the rest. The first two are also their doorbell: a runner looks at once."""

from collections.abc import Mapping
from typing import Final

from strata_core.outbox.events import Event
from strata_datamodel.ids import SagaId

SCHEMA_VERSION: Final = 1
SAGA_STARTED: Final = "saga.started"
SAGA_REQUESTED: Final = "saga.requested"
SAGA_PARKED: Final = "saga.parked"
SAGA_ENDED: Final = "saga.ended"
DOORBELL_KINDS: Final = frozenset({SAGA_STARTED, SAGA_REQUESTED})


def saga_event(kind: str, saga_id: SagaId, payload: Mapping[str, object]) -> Event:
    return Event(kind, SCHEMA_VERSION, "saga", saga_id, payload)
