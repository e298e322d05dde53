"""What the effects of sagas may reach: ports, and nothing that opens a transaction."""

from dataclasses import dataclass, field

from strata_core.cells.stores import CellStores
from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.archive import Archive
from strata_core.ports.cache import Cache
from strata_core.ports.clock import Clock
from strata_core.ports.log_store import LogStore
from strata_core.ports.mailer import Mailer
from strata_core.ports.metric_tiers import TieredMetrics
from strata_core.ports.notifier import Notifier
from strata_core.ports.search_index import SearchIndex
from strata_core.ports.search_source import SearchSource
from strata_core.ports.secret_box import SecretBox


@dataclass(frozen=True, slots=True)
class SagaTools:
    """One for all sagas of a process."""

    metric_store: TieredMetrics
    log_store: LogStore
    search_index: SearchIndex
    search_source: SearchSource
    cache: Cache
    archive: Archive
    notifier: Notifier
    mailer: Mailer
    secret_box: SecretBox
    signer: AnchorSigner
    clock: Clock
    cells: CellStores = field(default_factory=CellStores)
    """`metric_store` is all of them as one."""
    reached: dict[str, int] = field(default_factory=dict)
    """How far long effects of this process are, by a key of theirs. Lost with the process, and then done again."""
