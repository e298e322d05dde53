import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from fakes.manual_clock import ManualClock
from strata_core.access.tokens import issue_token
from strata_core.ports.rate_limiter import bucket
from strata_datamodel.errors import DeniedError, StoreUnavailableError, UnauthenticatedError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_ingest.auth_cache import AuthCache
from strata_ingest.callers import Caller

TOKEN = issue_token().text
OTHER = issue_token().text


class Directory:
    """What the database would say, and how often it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = 0
        self.error = None
        self.expires_at = None

    def __call__(self, token):
        self.asked += 1
        if self.error is not None:
            raise self.error
        nothing = bucket(OrganizationId(UUID(int=1)), "any", 1, 1)
        return Caller(
            OrganizationId(UUID(int=1)), "acme", "Acme", token[-8:], self.expires_at, (), (), nothing, nothing, 0
        )


class World:
    def __init__(self, executor):
        self.clock = ManualClock()
        self.directory = Directory(self.clock)
        self.results = []
        self.cache = AuthCache(self.directory, self.clock, executor, self.results.append, entries=3)

    def ask(self, *tokens):
        async def all_at_once():
            return await asyncio.gather(*(self.cache.caller(token) for token in tokens), return_exceptions=True)

        return self.runner.run(all_at_once())

    def refusal(self, token=TOKEN):
        (outcome,) = self.ask(token)
        return type(outcome)


@pytest.fixture
def world():
    with ThreadPoolExecutor(4) as executor, asyncio.Runner() as runner:
        made = World(executor)
        made.runner = runner
        yield made


def test_a_known_token_is_asked_for_once_in_five_seconds(world):
    for _ in range(3):
        (caller,) = world.ask(TOKEN)
        assert caller.organization_slug == "acme"
    world.clock.advance(4.9)
    world.ask(TOKEN)
    assert world.directory.asked == 1
    world.clock.advance(0.2)
    world.ask(TOKEN)
    assert world.directory.asked == 2


def test_many_requests_at_once_are_one_question(world):
    callers = world.ask(*[TOKEN] * 50)
    assert {caller.organization_slug for caller in callers} == {"acme"}
    assert world.directory.asked == 1


def test_junk_is_never_asked_for(world):
    assert world.refusal("nonsense") is UnauthenticatedError
    assert world.refusal(TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1")) is UnauthenticatedError
    assert world.directory.asked == 0


@pytest.mark.parametrize("error", [UnauthenticatedError("no"), DeniedError("no scope")])
def test_a_refusal_is_remembered_for_a_moment(world, error):
    world.directory.error = error
    assert world.refusal() is type(error)
    assert world.refusal() is type(error)
    assert world.directory.asked == 1
    world.directory.error = None
    world.clock.advance(2.1)
    assert world.refusal() is Caller


def test_a_revocation_ends_a_known_token_within_five_seconds(world):
    world.ask(TOKEN)
    world.directory.error = UnauthenticatedError("revoked")
    world.clock.advance(5.1)
    assert world.refusal() is UnauthenticatedError


def test_known_tokens_go_on_in_an_outage_and_unknown_ones_are_told_to_come_back(world):
    world.ask(TOKEN)
    world.directory.error = StoreUnavailableError("postgres", "down")
    world.clock.advance(60)
    assert world.refusal() is Caller
    assert world.refusal(OTHER) is StoreUnavailableError
    asked = world.directory.asked
    assert world.refusal() is Caller
    assert world.directory.asked == asked, "each request would wait for a database that is down"


def test_an_outage_does_not_keep_a_token_good_for_ever(world):
    world.ask(TOKEN)
    world.directory.error = StoreUnavailableError("postgres", "down")
    world.clock.advance(3601)
    assert world.refusal() is StoreUnavailableError


def test_a_token_refused_before_the_outage_stays_refused(world):
    world.directory.error = UnauthenticatedError("no")
    world.ask(TOKEN)
    world.directory.error = StoreUnavailableError("postgres", "down")
    world.clock.advance(3)
    assert world.refusal() is StoreUnavailableError


def test_a_token_expires_while_it_is_cached(world):
    world.directory.expires_at = world.clock.now() + timedelta(seconds=2)
    world.ask(TOKEN)
    world.clock.advance(2)
    assert world.refusal() is UnauthenticatedError


def test_the_cache_is_bounded(world):
    tokens = [issue_token().text for _ in range(5)]
    for token in tokens:
        world.ask(token)
    world.ask(tokens[-1])
    assert world.directory.asked == 5
    world.ask(tokens[0])
    assert world.directory.asked == 6


def test_new_tokens_at_once_are_bounded(world):
    outcomes = world.ask(*(issue_token().text for _ in range(200)))
    assert any(isinstance(outcome, UnavailableError) for outcome in outcomes)
    assert sum(isinstance(outcome, Caller) for outcome in outcomes) >= 64
