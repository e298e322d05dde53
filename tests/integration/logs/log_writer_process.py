"""Writes batches to a tantivy store until it is killed, and tells each batch that was acknowledged.

python log_writer_process.py <directory> <organization> <first batch>
"""

import sys
from itertools import count
from pathlib import Path
from uuid import UUID

from factories.log_events import BASE, DAY, event_id_of, log_batch, log_event
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import SystemClock
from strata_stores.tantivy.log_store import TantivyLogStore

EVENTS_A_BATCH = 150


def batch_numbered(organization_id, number):
    """Two days a batch, and every few batches a new pair of days: the writers of days come and go."""
    first = number * EVENTS_A_BATCH
    return log_batch(
        organization_id,
        *(
            log_event(
                f"batch {number} line {n}", BASE + (number // 8 + n % 2) * DAY + n, event_id=event_id_of(first + n)
            )
            for n in range(EVENTS_A_BATCH)
        ),
    )


def main(directory, organization, first):
    store = TantivyLogStore(Path(directory), SystemClock(), open_writers=2)
    store.prepare()
    for number in count(int(first)):
        store.write(batch_numbered(OrganizationId(UUID(organization)), number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
