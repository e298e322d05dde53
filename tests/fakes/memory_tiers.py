"""Tiers as plain numbers: what they promise, with nothing in the way of looking at it."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from factories.point_batches import Point
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import ABOVE, RESOLUTION_NS, ROLLED_UP, Gap, RolledUp, Tier

HOUR_NS = 3_600_000_000_000
Key = tuple[OrganizationId, object, int]


class MemoryTiers:
    """Of a window its count and sum: enough to tell whether something is missing, doubled or old."""

    def __init__(self) -> None:
        self.points: dict[Key, float] = {}
        self.windows: dict[Tier, dict[Key, tuple[float, float]]] = {tier: {} for tier in ROLLED_UP}
        self.calls: list[tuple[object, ...]] = []
        self.kept_ns: Mapping[Tier, int] = {}
        self.fails: Exception | None = None

    def write(self, organization_id: OrganizationId, *points: Point) -> None:
        for each in points:
            self.points[organization_id, each.series, each.time_ns] = float(each.value)

    def roll_up(
        self, tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None = None
    ) -> RolledUp:
        assert from_ns < to_ns
        assert from_ns % RESOLUTION_NS[tier] == to_ns % RESOLUTION_NS[tier] == 0
        self.calls.append((tier, from_ns, to_ns, None if organization_ids is None else set(organization_ids)))
        if self.fails is not None:
            raise self.fails
        made = {
            key: value
            for key, value in self.expected(tier, self._above(tier)).items()
            if _is_within(key, from_ns, to_ns, organization_ids)
        }
        others = {k: v for k, v in self.windows[tier].items() if not _is_within(k, from_ns, to_ns, organization_ids)}
        self.windows[tier] = {**others, **made}
        return RolledUp(len(made), len(made))

    def gaps(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> tuple[Gap, ...]:
        wanted, hours = self.expected(tier, self._above(tier)), defaultdict(int)
        for key in {*wanted, *self.windows[tier]}:
            if _is_within(key, from_ns, to_ns, [organization_id]) and wanted.get(key) != self.windows[tier].get(key):
                hours[key[2] - key[2] % HOUR_NS] += 1
        return tuple(Gap(hour, hour + HOUR_NS, count) for hour, count in sorted(hours.items()))

    def keep(self, kept_ns: Mapping[Tier, int]) -> None:
        self.kept_ns = dict(kept_ns)

    def expire(self, organization_id: OrganizationId, tier: Tier, before_ns: int) -> None:
        held = self.points if tier is Tier.RAW else self.windows[tier]
        for key in [key for key in held if key[0] == organization_id and key[2] < before_ns]:
            del held[key]

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        return sum(key[0] == organization_id for key in self.windows[tier])

    def expected(self, tier: Tier, above: Mapping[Key, tuple[float, float]]) -> dict[Key, tuple[float, float]]:
        """All its windows, made from scratch."""
        made: dict[Key, tuple[float, float]] = {}
        for (organization_id, series, time_ns), (count, total) in sorted(above.items(), key=lambda each: each[0][2]):
            key = (organization_id, series, time_ns - time_ns % RESOLUTION_NS[tier])
            before = made.get(key, (0, 0))
            made[key] = (before[0] + count, before[1] + total)
        return made

    def from_points(self, tier: Tier) -> dict[Key, tuple[float, float]]:
        return self.expected(tier, {key: (1, value) for key, value in self.points.items()})

    def _above(self, tier: Tier) -> Mapping[Key, tuple[float, float]]:
        if ABOVE[tier] is Tier.RAW:
            return {key: (1, value) for key, value in self.points.items()}
        return self.windows[ABOVE[tier]]


def _is_within(key: Key, from_ns: int, to_ns: int, whose: Collection[OrganizationId] | None) -> bool:
    return from_ns <= key[2] < to_ns and (whose is None or key[0] in whose)
