"""The worker as one object with a lifecycle: its loops, its RQ worker, what it says of itself."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from rq import Queue

from strata_core.cells.stores import CellStores
from strata_core.idempotency.commands import purge_expired
from strata_core.logs.retention import LOGS_KEPT_DAYS
from strata_core.mail.links import LinkKey
from strata_core.mail.sending import purge_mails
from strata_core.notifying.commands import purge_finished
from strata_core.outbox.commands import purge_done
from strata_core.outbox.queries import Backlog, backlog
from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.archive import Archive
from strata_core.ports.cache import Cache
from strata_core.ports.clock import Clock
from strata_core.ports.doorbell import Doorbell
from strata_core.ports.log_store import LogStore
from strata_core.ports.mailer import Mailer
from strata_core.ports.metric_tiers import MetricTiers, TieredMetrics
from strata_core.ports.notifier import Notifier
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.secret_box import SecretBox
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.rollups.queries import RollupFigures, rollup_figures
from strata_core.sagas.claiming import purge_ended
from strata_core.sagas.definitions import SagaDefinition
from strata_core.sagas.events import DOORBELL_KINDS
from strata_core.sagas.fault_points import NO_FAULTS, FaultPoints
from strata_core.sagas.queries import SagaFigures, saga_figures
from strata_core.sagas.tools import SagaTools
from strata_core.search.drift import DriftRow
from strata_core.search.source import CurrentEntities
from strata_core.sign_in.pruning import prune_sign_in
from strata_datamodel.errors import UnavailableError
from strata_datamodel.health import StoreHealth
from strata_workers.alert_recorder import AlertRecorder
from strata_workers.drift_figures import drift_figures
from strata_workers.evaluator import Evaluator
from strata_workers.gap_finder import GapFinder
from strata_workers.handlers import HANDLERS, Handler
from strata_workers.heartbeat import Heartbeat, loop_health
from strata_workers.leading import Led
from strata_workers.log_pruner import LogPruner
from strata_workers.loops import Loop, LoopStatus
from strata_workers.postman import Postman
from strata_workers.projector import Projector
from strata_workers.read_pruner import ReadPruner
from strata_workers.reconciler import Reconciler
from strata_workers.relay import Answerer, Relay
from strata_workers.rollup_figures import NOTHING_ROLLED_UP, rollup_figures_of, rollup_health
from strata_workers.rq_worker import DoorbellWorker
from strata_workers.saga_definitions import SAGAS
from strata_workers.saga_figures import NO_SAGAS, saga_figures_of
from strata_workers.saga_runner import RENEWAL_PAUSE_S, SagaRunner
from strata_workers.sealer import Anchorer, Sealer
from strata_workers.sender import Sender
from strata_workers.server_metrics import ServerMetricsKeeper
from strata_workers.sweeper import Sweeper
from strata_workers.tier_keeper import TierKeeper

OUTBOX_KEPT: Final = timedelta(days=7)
"""Longer than the last attempt of any notification, which reads its event."""
SAGAS_KEPT: Final = timedelta(days=90)
PURGED_PER_PASS: Final = 1_000
DRAIN_S: Final = 30.0
"""How long a stop waits for the steps under way, all together."""
HEARTBEAT_PAUSE_S: Final = 5.0
_PURGE_PAUSE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class WorkerDeps:
    units: SystemUnitsOfWork
    metric_store: TieredMetrics
    metric_tiers: MetricTiers
    log_store: LogStore
    search_index: SearchIndex
    cache: Cache
    doorbell: Doorbell
    notifier: Notifier
    mailer: Mailer
    secret_box: SecretBox
    archive: Archive
    anchor_signer: AnchorSigner
    clock: Clock
    ring_queue: Callable[[], Queue]
    """A queue on a connection of its own: RQ blocks on it."""
    ring_key: bytes = field(repr=False)
    link_key: LinkKey
    """The API's: links in mails are made anew with it."""
    public_url: str
    """What links in mails begin with."""
    logs_kept_days: int = LOGS_KEPT_DAYS
    name: str = "worker"
    """Of this process alone: it is the name that leases and heartbeats stand in."""
    cells: CellStores = field(default_factory=CellStores)
    handlers: Mapping[str, Handler] = field(default_factory=lambda: HANDLERS)
    sagas: Sequence[SagaDefinition] = SAGAS
    fault_points: FaultPoints = NO_FAULTS
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)


class Worker:
    def __init__(self, deps: WorkerDeps) -> None:
        self._deps = deps
        self._sender = Sender(deps.units, deps.notifier, deps.secret_box, deps.registry)
        self._postman = Postman(deps.units, deps.mailer, deps.link_key, deps.public_url, deps.registry)
        self._answerer = Answerer(
            deps.units,
            self._sender,
            deps.cache,
            deps.name,
            deps.registry,
            handlers=deps.handlers,
            bells=dict.fromkeys(DOORBELL_KINDS, self._wake_sagas),
        )
        self._sagas = SagaRunner(
            deps.units,
            deps.sagas,
            _tools(deps),
            deps.clock,
            deps.registry,
            name=deps.name,
            faults=deps.fault_points,
        )
        self._saga_loop = Loop("sagas", self._sagas.step, deps.clock, pause_s=0.5)
        self._saga_figures = NO_SAGAS
        self._rollup_figures = NOTHING_ROLLED_UP
        self._evaluator = Evaluator(deps.units, deps.metric_store, deps.registry)
        self._recorder = AlertRecorder(deps.units, deps.metric_store, deps.clock, deps.name, deps.registry)
        self._projector = Projector(deps.units, deps.search_index, deps.name, deps.registry)
        self._reconciler = Reconciler(deps.units, deps.search_index, deps.name, self._note_reconciling)
        self._tier_keeper = TierKeeper(deps.units, deps.metric_tiers, deps.clock, deps.name, self._note_tiers)
        self._tier_loop = Loop("tiers", self._tier_keeper.step, deps.clock, pause_s=5.0)
        self._reconciler_loop = Loop("reconciler", self._reconciler.step, deps.clock, pause_s=1.0)
        self._doorbell_worker: DoorbellWorker | None = None
        self._backlog = Backlog(0, 0, None)
        self._heartbeat = Heartbeat(deps.units, deps.name, self.statuses)
        self._leads: list[Led] = []
        self._relay_loop = Loop("relay", self._relay().step, deps.clock, pause_s=0.25)
        self._listening = Loop("doorbell", self._listen, deps.clock, pause_s=1.0)
        self._loops = (self._relay_loop, *self._own_loops(), *self._led_loops(), self._listening)
        deps.registry.register(_WorkerFigures(self))

    def _note_reconciling(self) -> None:
        self._reconciler_loop.beat()

    def _note_tiers(self) -> None:
        self._tier_loop.beat()

    def _relay(self) -> Relay:
        deps = self._deps
        return Relay(deps.units, deps.doorbell, self._answerer, lambda: self._relay_loop.is_stopping)

    def _own_loops(self) -> list[Loop]:
        """Every worker's: they share what there is to do by claiming it."""
        clock = self._deps.clock
        return [
            Loop("evaluator", self._evaluator.step, clock, pause_s=0.5),
            Loop("sender", self._sender.step, clock, pause_s=1.0),
            Loop("postman", self._postman.step, clock, pause_s=1.0),
            self._saga_loop,
            Loop("saga-leases", self._sagas.keep, clock, pause_s=RENEWAL_PAUSE_S),
            Loop("alert-recorder", self._recorder.step, clock, pause_s=1.0),
            Loop("search-projector", self._projector.step, clock, pause_s=0.25),
            self._reconciler_loop,
            self._tier_loop,
            Loop("drift", self._reconciler.adopt, clock, pause_s=5.0),
            Loop("backlog", self._look_at_backlog, clock, pause_s=5.0),
            Loop("heartbeat", self._heartbeat.step, clock, pause_s=HEARTBEAT_PAUSE_S),
        ]

    def _led_loops(self) -> list[Loop]:
        """One worker's at a time."""
        deps = self._deps
        sealer = Sealer(deps.units)
        anchorer = Anchorer(deps.units, deps.archive, deps.anchor_signer)
        gap_finder = GapFinder(deps.units, deps.metric_tiers, deps.clock, deps.registry)
        log_pruner = LogPruner(deps.log_store, deps.clock, deps.logs_kept_days)
        sweeper = Sweeper(deps.units, _tools(deps), deps.registry)
        servers = ServerMetricsKeeper(deps.units)
        return [
            self._led("saga-recall", self._sagas.recall, pause_s=30.0),
            self._purge("saga-purge", lambda uow: purge_ended(uow, older_than=SAGAS_KEPT, limit=PURGED_PER_PASS)),
            self._led("search-sweeper", self._reconciler.sweep, pause_s=_PURGE_PAUSE_S),
            self._led("deletion-sweep", sweeper.step, pause_s=_PURGE_PAUSE_S),
            self._led("rule-recall", self._evaluator.recall, pause_s=30.0),
            self._led("audit-sealer", sealer.step, pause_s=1.0),
            self._led("audit-anchorer", anchorer.step, pause_s=2.0),
            self._led("access-log-pruner", ReadPruner(deps.units).step, pause_s=_PURGE_PAUSE_S),
            self._led("gap-finder", gap_finder.step, pause_s=30.0),
            self._led("log-pruner", log_pruner.step, pause_s=_PURGE_PAUSE_S),
            self._led("server-metrics", servers.step, pause_s=30.0),
            self._led("server-metrics-pruner", servers.forget, pause_s=_PURGE_PAUSE_S),
            self._purge("outbox-purge", lambda uow: purge_done(uow, older_than=OUTBOX_KEPT, limit=PURGED_PER_PASS)),
            self._purge("notification-purge", lambda uow: purge_finished(uow, limit=PURGED_PER_PASS)),
            self._purge("idempotency-purge", lambda uow: purge_expired(uow, limit=PURGED_PER_PASS)),
            self._purge("sign-in-purge", lambda uow: prune_sign_in(uow, limit=PURGED_PER_PASS)),
            self._purge("mail-purge", lambda uow: purge_mails(uow, limit=PURGED_PER_PASS)),
        ]

    def _led(self, name: str, step: Callable[[], int], *, pause_s: float) -> Loop:
        return Loop(name, self._lead(name, pause_s).step(step), self._deps.clock, pause_s=pause_s)

    def _purge(self, name: str, purge: Callable[[UnitOfWork], int]) -> Loop:
        write = self._lead(name, _PURGE_PAUSE_S).write(purge)
        return Loop(name, write, self._deps.clock, pause_s=_PURGE_PAUSE_S)

    def _lead(self, name: str, pause_s: float) -> Led:
        led = Led(self._deps.units, name, self._deps.name, self._deps.clock, pause_s=pause_s)
        self._leads.append(led)
        return led

    @property
    def registry(self) -> CollectorRegistry:
        return self._deps.registry

    def start(self) -> None:
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Begins nothing new and lets steps under way finish, for DRAIN_S in all; what is not finished then is found
        again by whoever runs next, once its claim is over."""
        deadline_s = self._deps.clock.monotonic_s() + DRAIN_S
        for loop in self._loops:
            loop.ask_to_stop()
        if self._doorbell_worker is not None:
            self._doorbell_worker.ask_to_stop()
        # First, as from here on nobody else keeps the leases of what they run.
        self._saga_loop.stop(max(0.0, deadline_s - self._deps.clock.monotonic_s()))
        self._sagas.close()
        for loop in self._loops:
            loop.stop(max(0.0, deadline_s - self._deps.clock.monotonic_s()))
        self._evaluator.close()
        self._sender.close()
        self._postman.close()
        # With the database down there is nothing to give back: leases run out, and the row is forgotten.
        with contextlib.suppress(UnavailableError):
            for led in self._leads:
                led.give_back()
            self._tier_keeper.end()
            self._heartbeat.end()

    def statuses(self) -> Sequence[LoopStatus]:
        return [loop.status() for loop in self._loops]

    def health(self) -> list[StoreHealth]:
        """For /readyz: this worker's loops, each ready while its newest beat is fresh, and what is amiss elsewhere."""
        loops = [loop_health(status) for status in self.statuses()]
        return [*loops, *self._heartbeat.others(), rollup_health(self._rollup_figures, self._deps.clock.now())]

    @property
    def newest_backlog(self) -> Backlog:
        return self._backlog

    @property
    def drift(self) -> Sequence[DriftRow]:
        return list(self._reconciler.drift.values())

    @property
    def newest_saga_figures(self) -> SagaFigures:
        return self._saga_figures

    @property
    def newest_rollup_figures(self) -> RollupFigures:
        return self._rollup_figures

    @property
    def clock(self) -> Clock:
        return self._deps.clock

    def queue_depth(self) -> int | None:
        return self._deps.doorbell.depth()

    def _look_at_backlog(self) -> int:
        with self._deps.units.system() as uow:
            self._backlog = backlog(uow)
            self._saga_figures = saga_figures(uow)
            self._rollup_figures = rollup_figures(uow)
        return 0

    def _wake_sagas(self) -> None:
        self._saga_loop.wake()

    def _listen(self) -> int:
        """Returns when the connection is lost or the worker is asked to stop; the loop then comes back."""
        loop, queue = self._listening, self._deps.ring_queue()
        try:
            worker = DoorbellWorker(queue, self._answerer.answer, self._deps.ring_key, beat=loop.beat)
            self._doorbell_worker = worker
            if not loop.is_stopping:
                worker.work(logging_level="WARNING")
        finally:
            queue.connection.close()
        return 0


def _tools(deps: WorkerDeps) -> SagaTools:
    return SagaTools(
        metric_store=deps.metric_store,
        cells=deps.cells,
        log_store=deps.log_store,
        search_index=deps.search_index,
        search_source=CurrentEntities(deps.units.organization),
        cache=deps.cache,
        archive=deps.archive,
        notifier=deps.notifier,
        mailer=deps.mailer,
        secret_box=deps.secret_box,
        signer=deps.anchor_signer,
        clock=deps.clock,
    )


class _WorkerFigures:
    """Read when scraped."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> list[Metric]:
        newest, now = self._worker.newest_backlog, self._worker.clock.now()
        lag_s = (now - newest.oldest_due_at).total_seconds() if newest.oldest_due_at else 0.0
        events = GaugeMetricFamily("strata_outbox_pending", "Events not finished, by state.", labels=["state"])
        events.add_metric(["pending"], newest.pending)
        events.add_metric(["parked"], newest.parked)
        lag = GaugeMetricFamily("strata_outbox_lag_seconds", "Age of the event that is due the longest.")
        lag.add_metric([], max(0.0, lag_s))
        figures: list[Metric] = [events, lag]
        depth = self._worker.queue_depth()
        if depth is not None:
            rings = GaugeMetricFamily("strata_doorbell_depth", "Rings that wait to be answered.")
            rings.add_metric([], depth)
            figures.append(rings)
        beats = CounterMetricFamily("strata_loop_failures", "Failed steps since start, by loop.", labels=["loop"])
        for status in self._worker.statuses():
            beats.add_metric([status.name], status.failures)
        sagas = saga_figures_of(self._worker.newest_saga_figures, now)
        rollups = rollup_figures_of(self._worker.newest_rollup_figures, now)
        return [*figures, beats, *drift_figures(self._worker.drift, now), *sagas, *rollups]
