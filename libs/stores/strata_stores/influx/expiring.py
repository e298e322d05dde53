"""What one organization keeps for less time than the tier does."""

from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import Tier
from strata_stores.influx.dialect import Span
from strata_stores.influx.influxql import Bindings, Place, times_of_points
from strata_stores.influx.keeping import SHARD_S
from strata_stores.influx.rolling_up import Link

_NS_PER_S = 1_000_000_000


def expire(link: Link, organization_id: OrganizationId, tier: Tier, before_ns: int) -> None:
    """A shard group at a time, since a deletion keeps InfluxDB from compacting what it is at."""
    bindings = Bindings()
    width_s = SHARD_S[tier]
    statement = times_of_points(Place(link.database, tier), organization_id, before_ns, width_s, bindings)
    with link.ask([statement], bindings) as parts:
        starts = {row[0] for part in parts for row in part.values}
    for start in sorted(starts):
        link.delete(Span(tier, start, min(start + width_s * _NS_PER_S, before_ns), organization_id))
