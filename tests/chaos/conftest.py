"""What fault tests share, and what only their long form runs."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.chaos_saga import Outside
from chaos.ledger import Ledger
from chaos.soaking import MINUTES
from chaos.workshop import Place, Victim
from fakes.pager import WebhookReceiver, webhook_receiver
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.postgres.roles import WORKER

pytest.register_assert_rewrite("chaos.saga_trials")

# Servers and processes of their own: `make chaos` has the time for them.
_LONG_FORM = [
    "test_soak_on_servers.py",
    "test_poisonous_sagas.py",
    "test_elastic_killed.py",
    "test_full_disk_embedded.py",
    "test_noisy_neighbour.py",
]
collect_ignore = [] if MINUTES else _LONG_FORM


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    yield ledger
    ledger.close()


@pytest.fixture
def pager() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def place(database, embedded_valkey, tmp_path: Path) -> Place:
    for name in ("archive", "mail"):
        (tmp_path / name).mkdir(exist_ok=True)
    return Place(database.url(WORKER), embedded_valkey.url(), str(tmp_path / "archive"), str(tmp_path / "mail"))


@pytest.fixture
def valkey_of_its_own() -> Iterator[EmbeddedValkey]:
    folder = Path(tempfile.mkdtemp(prefix="strata-"))
    server = EmbeddedValkey(folder / "valkey", folder / "run/valkey.sock", settings={"appendonly": "no"})
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def outside(database, tmp_path: Path) -> Outside:
    return Outside(database, tmp_path / "archive", tmp_path / "provider")


@pytest.fixture
def start(outside, system_units, two_organizations) -> Callable[..., None]:
    """Starts sagas, by turns of both organizations, and refuses every fourth somewhere on its way."""

    def begin(
        count: int = 1, refused: tuple[str, ...] = ("", "", "", "count", "", "", "", "tell"), **given: str
    ) -> None:
        actor = Actor(ActorKind.USER, None, "ana@acme.test")
        for number in range(count):
            organization_id = (two_organizations.first, two_organizations.second)[number % 2]
            ctx = Context(organization_id, actor, PERMISSIONS, "chaos")
            with system_units.organization(organization_id) as uow:
                outside.start(ctx, uow, refused=refused[number % len(refused)], **given)

    return begin


@pytest.fixture
def victim(place, tmp_path: Path) -> Iterator[Callable[..., Victim]]:
    started: list[Victim] = []

    def begin(*, ahead_s: float = 0, **faults: str) -> Victim:
        log = tmp_path / f"victim-{len(started)}.log"
        named = {name.replace("__", "."): what for name, what in faults.items()}
        started.append(Victim(place, log, faults=named, ahead_s=ahead_s))
        return started[-1].start()

    yield begin
    for each in started:
        each.end(signal.SIGKILL)
