"""What fault tests share, and what only their long form runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.ledger import Ledger
from chaos.soaking import MINUTES
from fakes.pager import WebhookReceiver, webhook_receiver

# Five processes and four stores of its own: `make chaos` has the time for it.
collect_ignore = [] if MINUTES else ["test_soak_on_servers.py"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    yield ledger
    ledger.close()


@pytest.fixture
def pager() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver
