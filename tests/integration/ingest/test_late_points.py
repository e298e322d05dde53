"""A point that comes too late for its windows leaves a mark, before anybody forgets that it came."""

from strata_core.instants import ns_of
from strata_core.rollups.rules import hour_of
from strata_datamodel.errors import StoreUnavailableError

HOUR = 3_600_000_000_000


def test_a_late_point_marks_its_hour_also_when_the_stores_answer_was_lost(make_ingest):
    ingest = make_ingest(is_writing=False)
    ingest.machine.metric_store.after.append(StoreUnavailableError("metrics", "written, and not heard of"))
    late = ingest.machine.clock.now_ns() - 3 * HOUR
    assert ingest.write(f"m,host=a v=1 {late}\nm,host=a v=2").status_code == 204
    ingest.machine.start_writers()
    ingest.machine.drain()
    assert ingest.write("m,host=g v=1", sender=ingest.globex).status_code == 204
    ingest.machine.drain()
    marked = ingest.database.rows("SELECT organization_id, hour FROM dirty_windows")
    assert [(row["organization_id"], ns_of(row["hour"])) for row in marked] == [
        (ingest.acme.organization_id, hour_of(late))
    ]
