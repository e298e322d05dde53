"""Makes each tier of metrics from the one above it, and lets go of what is past its time."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import structlog

from strata_core.leases.commands import Lease, give_back, is_held, take_lease
from strata_core.ports.clock import Clock
from strata_core.ports.metric_tiers import MetricTiers
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.rollups.commands import (
    DirtyHour,
    advance,
    begin_watermarks,
    expiries_due,
    mark_dirty,
    note_expired,
    note_kept,
    note_letting_go,
    oldest_dirty,
    rewind,
    settle_dirty,
)
from strata_core.rollups.queries import (
    CELL,
    LEASE_PREFIX,
    Watermark,
    oldest_dirty_hour,
    through_of,
    watermarks,
    whole_from,
)
from strata_core.rollups.rules import (
    FIRST_PIECE_NS,
    LEASE,
    Span,
    closed_before,
    first_watermark,
    gone_before,
    next_piece,
    piece_after,
    rewound,
    shorter_piece,
    spans_again,
)
from strata_core.tier_retentions.queries import longest_retentions
from strata_core.tier_retentions.rules import DEFAULT_S
from strata_datamodel.errors import DeadlineError, StrataError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tiers import ROLLED_UP, Tier

log = structlog.get_logger(__name__)
RENEWED_AFTER_S: Final = 4.0
"""An erasure waits for it."""
LET_GO_EVERY_S: Final = 3_600.0
PUT_OFF_S: Final = 300.0
HOURS_PER_STEP: Final = 200
EXPIRIES_PER_STEP: Final = 50
_SECOND_NS: Final = 1_000_000_000


class OvertakenError(StrataError):
    """Another worker has taken this over."""


class TierKeeper:
    """All that changes tiers is done here, by one worker at a time: a roll-up that ran beside another, or beside an
    expiry, could bring back what the other had just put right. Each step is a piece of the way of each tier, and some
    of what is dirty, so that neither waits for the other to be done."""

    def __init__(
        self,
        units: SystemUnitsOfWork,
        tiers: MetricTiers,
        clock: Clock,
        worker: str,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called all along a step: one that lasts long is no loop that hangs."""
        self._units = units
        self._tiers = tiers
        self._clock = clock
        self._worker = worker
        self._beat = beat
        self._lease: Lease | None = None
        self._taken_s = 0.0
        self._piece_ns = dict(FIRST_PIECE_NS)
        self._put_off: dict[tuple[OrganizationId, int], float] = {}
        self._let_go_at_s: float | None = None

    def step(self) -> int:
        """How many things were done; 0 for whoever does not lead."""
        try:
            self._lead()
            marks = self._watermarks()
            through = dict(through_of(marks))
            done = sum(self._follow(tier, through) for tier in ROLLED_UP)
            return done + self._clean(marks, through) + self._let_go(marks, through)
        except OvertakenError as error:
            log.info("tiers_kept_by_another", reason=error.detail)
            return 0

    def end(self) -> None:
        """At a clean end: the next need not wait."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with self._units.system() as uow:
                give_back(uow, lease)

    def _lead(self) -> Lease:
        """Called before each call of the store, which so has most of the lease left. Raises OvertakenError."""
        self._beat()
        now_s = self._clock.monotonic_s()
        if self._lease is None or now_s - self._taken_s > RENEWED_AFTER_S:
            with self._units.system() as uow:
                self._lease = take_lease(uow, f"{LEASE_PREFIX}{CELL}", self._worker, duration=LEASE)
            self._taken_s = now_s
        if self._lease is None:
            raise OvertakenError("another worker keeps the tiers", code="overtaken")
        return self._lease

    def _overtaken(self) -> OvertakenError:
        self._lease = None
        log.warning("tiers_overtaken", worker=self._worker)
        return OvertakenError("another worker took over in the midst of a call", code="overtaken")

    def _watermarks(self) -> Mapping[Tier, Watermark]:
        with self._units.system() as uow:
            marks = watermarks(uow)
            if len(marks) < len(Tier):
                raw_kept_ns = longest_retentions(uow)[Tier.RAW] * _SECOND_NS
                begin_watermarks(uow, first_watermark(self._clock.now_ns(), raw_kept_ns))
                marks = watermarks(uow)
        return marks

    def _follow(self, tier: Tier, through: dict[Tier, int]) -> int:
        """One piece further."""
        from_ns = through[tier]
        closed_ns = closed_before(tier, self._clock.now_ns(), through)
        to_ns = next_piece(tier, from_ns, closed_ns, self._piece_ns[tier])
        if to_ns is None:
            return 0
        lease = self._lead()
        self._roll_up(tier, from_ns, to_ns, None)
        with self._units.system() as uow:
            is_mine = is_held(uow, lease) and advance(uow, tier, from_ns, to_ns)
            if not is_mine:
                rewind(uow, rewound(tier, from_ns))
        if not is_mine:
            raise self._overtaken()
        through[tier] = to_ns
        return 1

    def _clean(self, marks: Mapping[Tier, Watermark], through: Mapping[Tier, int]) -> int:
        """The hour that is dirty the longest, of all organizations of which it is."""
        now_s = self._clock.monotonic_s()
        self._put_off = {key: until_s for key, until_s in self._put_off.items() if until_s > now_s}
        with self._units.system() as uow:
            dirty = oldest_dirty(uow, list(self._put_off), HOURS_PER_STEP)
            if not dirty:
                return 0
            whole = whole_from(uow, [each.organization_id for each in dirty], marks, self._clock.now_ns())
        alike: dict[tuple[Span, ...], list[DirtyHour]] = defaultdict(list)
        for each in dirty:
            alike[spans_again(each.hour_ns, through, whole[each.organization_id])].append(each)
        for spans, hours in alike.items():
            self._make_again(spans, hours)
        return len(dirty)

    def _make_again(self, spans: Sequence[Span], hours: Sequence[DirtyHour]) -> None:
        lease, whose = self._lead(), [each.organization_id for each in hours]
        try:
            for span in spans:
                self._roll_up_again(span, whose)
        except (UnavailableError, DeadlineError):
            # These go behind all others for a while, as it may be them that the store cannot do.
            until_s = self._clock.monotonic_s() + PUT_OFF_S
            self._put_off.update({(each.organization_id, each.hour_ns): until_s for each in hours})
            raise
        with self._units.system() as uow:
            is_mine = is_held(uow, lease)
            if is_mine:
                settle_dirty(uow, hours)
        if not is_mine:
            for each in hours:
                with self._units.organization(each.organization_id) as uow:
                    mark_dirty(uow, [each.hour_ns])
            raise self._overtaken()

    def _roll_up_again(self, span: Span, whose: Collection[OrganizationId]) -> None:
        at_ns = span.from_ns
        while (to_ns := next_piece(span.tier, at_ns, span.to_ns, self._piece_ns[span.tier])) is not None:
            self._lead()
            self._roll_up(span.tier, at_ns, to_ns, whose)
            at_ns = to_ns

    def _roll_up(self, tier: Tier, from_ns: int, to_ns: int, whose: Collection[OrganizationId] | None) -> None:
        """A store that does not manage a piece is given a smaller one the next time."""
        begun_s = self._clock.monotonic_s()
        try:
            self._tiers.roll_up(tier, from_ns, to_ns, whose)
        except (UnavailableError, DeadlineError):
            self._piece_ns[tier] = shorter_piece(tier, self._piece_ns[tier])
            raise
        self._piece_ns[tier] = piece_after(tier, self._piece_ns[tier], self._clock.monotonic_s() - begun_s)

    def _let_go(self, marks: Mapping[Tier, Watermark], through: Mapping[Tier, int]) -> int:
        """All together once an hour; then organizations that keep less than the others, some at a time."""
        now_s, now_ns = self._clock.monotonic_s(), self._clock.now_ns()
        if self._let_go_at_s is not None and now_s < self._let_go_at_s:
            return 0
        self._lead()
        with self._units.system() as uow:
            longest_s, dirty_ns = longest_retentions(uow), oldest_dirty_hour(uow)
            kept_ns = {tier: longest_s[tier] * _SECOND_NS for tier in Tier}
            due = gone_before(now_ns, kept_ns, through, dirty_ns)
            told_ns = {tier: now_ns - before_ns for tier, before_ns in due.items()}
            # What the store let go of by itself since it was told the last time is gone as well.
            note_letting_go(uow, {tier: max(due[tier], marks[tier].whole_from(now_ns)) for tier in Tier}, told_ns)
        self._tiers.keep(told_ns)
        with self._units.system() as uow:
            note_kept(uow, told_ns)
        expired = sum(self._expire(tier, longest_s[tier], through, dirty_ns) for tier in Tier)
        if not expired:
            self._let_go_at_s = now_s + LET_GO_EVERY_S
        return expired

    def _expire(self, tier: Tier, longest_s: int, through: Mapping[Tier, int], dirty_ns: int | None) -> int:
        with self._units.system() as uow:
            due = expiries_due(uow, tier, default_s=DEFAULT_S[tier], longest_s=longest_s, limit=EXPIRIES_PER_STEP)
        expired = 0
        for each in due:
            self._lead()
            kept_ns = dict.fromkeys(Tier, each.kept_s * _SECOND_NS)
            before_ns = gone_before(self._clock.now_ns(), kept_ns, through, dirty_ns)[tier]
            if each.gone_before_ns is not None and before_ns <= each.gone_before_ns:
                continue
            with self._units.organization(each.organization_id) as uow:
                note_expired(uow, tier, before_ns)
            self._tiers.expire(each.organization_id, tier, before_ns)
            expired += 1
        return expired
