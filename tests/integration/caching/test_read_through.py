"""Who is answered from where, by two processes that share a server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from fakes.manual_clock import ManualClock
from integration.caching.origin import Origin
from strata_core.caching.figures import Outcome
from strata_core.caching.kinds import AGGREGATIONS, EMPTY_S, PROFILES, CacheKind
from strata_core.caching.read_through import Question, ReadThrough
from strata_datamodel.errors import InvalidError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.clock import SystemClock
from strata_stores.embedded.valkey import EmbeddedValkey
from strata_stores.null.cache import NullCache
from strata_stores.redis.cache import RedisCache
from waiting import eventually

TIMEOUTS = {"connect_timeout_s": 1.0, "timeout_s": 2.0}
CALLERS = 200


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def processes(embedded_valkey: EmbeddedValkey, clock: ManualClock) -> Iterator[tuple[ReadThrough, ReadThrough]]:
    caches = [
        RedisCache(embedded_valkey.url(), SystemClock(), max_connections=CALLERS + 1, **TIMEOUTS) for _ in range(2)
    ]
    one, other = (ReadThrough(cache, clock, chance=lambda: 0.0) for cache in caches)
    yield one, other
    for cache in caches:
        cache.close()


@pytest.fixture
def here(processes: tuple[ReadThrough, ReadThrough]) -> ReadThrough:
    return processes[0]


@pytest.fixture
def elsewhere(processes: tuple[ReadThrough, ReadThrough]) -> ReadThrough:
    return processes[1]


def question(kind: CacheKind = PROFILES, organization_id: OrganizationId | None = None) -> Question:
    return Question(organization_id or OrganizationId(uuid4()), kind, "key")


@pytest.mark.parametrize("kind", [PROFILES, AGGREGATIONS], ids=lambda kind: kind.name)
def test_an_answer_counts_for_its_time_in_every_process(
    here: ReadThrough, elsewhere: ReadThrough, clock: ManualClock, kind: CacheKind
) -> None:
    asked, origin = question(kind), Origin()
    assert here.answer(asked, origin.make).outcome is Outcome.ORIGIN
    clock.advance(kind.fresh_s - 1)
    for process in (here, elsewhere):
        answer = process.answer(asked, origin.make)
        assert (answer.body, answer.age_s, answer.is_stale) == (b"first", kind.fresh_s - 1, False)
    assert origin.asked == 1
    clock.advance(1)
    assert here.answer(asked, origin.make).age_s == 0
    assert origin.asked == 2


def test_a_change_is_seen_at_once_in_every_process(here: ReadThrough, elsewhere: ReadThrough) -> None:
    asked, origin = question(), Origin()
    here.answer(asked, origin.make)
    elsewhere.answer(asked, origin.make)
    origin.change(b"second")
    here.invalidate(asked.organization_id, asked.kind)
    assert here.answer(asked, origin.make).body == b"second"
    assert elsewhere.answer(asked, origin.make).body == b"second"
    assert origin.asked == 2


def test_a_copy_of_a_panel_outlives_its_end_elsewhere_by_a_second_at_most(
    here: ReadThrough, elsewhere: ReadThrough, clock: ManualClock
) -> None:
    asked, origin = question(AGGREGATIONS), Origin()
    here.answer(asked, origin.make)
    elsewhere.answer(asked, origin.make)
    origin.change(b"second")
    here.invalidate(asked.organization_id, asked.kind)
    assert here.at_once(asked) is None
    clock.advance(AGGREGATIONS.alone_s)
    assert elsewhere.at_once(asked) is None
    assert elsewhere.answer(asked, origin.make).body == b"second"


def test_an_answer_with_nothing_in_it_counts_for_seconds(here: ReadThrough, clock: ManualClock) -> None:
    asked, origin = question(), Origin(is_empty=True)
    here.answer(asked, origin.make)
    clock.advance(EMPTY_S - 1)
    assert here.answer(asked, origin.make).outcome is not Outcome.ORIGIN
    clock.advance(1)
    assert here.answer(asked, origin.make).outcome is Outcome.ORIGIN


def test_who_wants_it_new_gets_it_new_and_leaves_it_for_the_others(here: ReadThrough, elsewhere: ReadThrough) -> None:
    asked, origin = question(AGGREGATIONS), Origin()
    here.answer(asked, origin.make)
    origin.change(b"second")
    assert here.answer(asked, origin.make, is_new_wanted=True).body == b"second"
    assert elsewhere.answer(asked, origin.make).body == b"second"
    assert origin.asked == 2


def test_two_organizations_with_one_question_get_their_own(here: ReadThrough) -> None:
    mine, theirs = question(), question()
    here.answer(mine, Origin(b"mine").make)
    assert here.answer(theirs, Origin(b"theirs").make).body == b"theirs"
    here.invalidate(theirs.organization_id, PROFILES)
    never = Origin(b"never")
    assert here.answer(mine, never.make).body == b"mine"
    assert not never.asked


def test_two_hundred_misses_at_once_ask_the_origin_once(
    here: ReadThrough, elsewhere: ReadThrough, clock: ManualClock
) -> None:
    asked, origin = question(AGGREGATIONS), Origin()
    origin.gate.clear()
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [pool.submit(here.answer, asked, origin.make) for _ in range(CALLERS)]
        assert origin.has_read.wait(10)
        origin.gate.set()
        assert {each.result().body for each in answers} == {b"first"}
    assert origin.asked == 1
    assert elsewhere.answer(asked, origin.make).outcome is Outcome.SHARED


def test_two_processes_that_miss_at_once_ask_once(here: ReadThrough, elsewhere: ReadThrough) -> None:
    asked, origin = question(), Origin()
    origin.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(here.answer, asked, origin.make)
        assert origin.has_read.wait(10)
        second = pool.submit(elsewhere.answer, asked, origin.make)
        eventually(second.running)
        origin.gate.set()
        assert first.result().body == second.result().body == b"first"
    assert origin.asked == 1


def test_who_comes_after_an_invalidation_does_not_join_those_before_it(here: ReadThrough) -> None:
    asked, origin = question(), Origin()
    origin.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(here.answer, asked, origin.make)
        assert origin.has_read.wait(10)
        origin.change(b"second")
        here.invalidate(asked.organization_id, asked.kind)
        origin.has_read.clear()
        after = pool.submit(here.answer, asked, origin.make)
        assert origin.has_read.wait(10)
        origin.gate.set()
        assert before.result().body == b"first"
        assert after.result().body == b"second"
    assert here.answer(asked, origin.make).body == b"second"


def test_while_one_makes_it_anew_the_others_are_shown_the_old_one_and_told(
    here: ReadThrough, elsewhere: ReadThrough, clock: ManualClock
) -> None:
    asked, origin = question(), Origin()
    here.answer(asked, origin.make)
    clock.advance(PROFILES.fresh_s + 5)
    origin.change(b"second")
    origin.gate.clear()
    origin.has_read.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(here.answer, asked, origin.make)
        assert origin.has_read.wait(10)
        for process in (here, elsewhere):
            shown = process.answer(asked, origin.make)
            assert (shown.body, shown.is_stale, shown.age_s) == (b"first", True, PROFILES.fresh_s + 5)
        origin.gate.set()
        assert first.result().body == b"second"
    assert origin.asked == 2
    assert not elsewhere.answer(asked, origin.make).is_stale


@pytest.mark.parametrize("kind", [PROFILES, AGGREGATIONS], ids=lambda kind: kind.name)
def test_while_the_origin_is_down_the_old_answer_is_shown_and_said_to_be_old(
    here: ReadThrough, clock: ManualClock, kind: CacheKind
) -> None:
    asked, origin = question(kind), Origin()
    here.answer(asked, origin.make)
    origin.is_down = True
    clock.advance(kind.fresh_s)
    shown = here.answer(asked, origin.make)
    assert (shown.body, shown.is_stale) == (b"first", True)
    clock.advance(kind.stale_s)
    with pytest.raises(UnavailableError):
        here.answer(asked, origin.make)
    origin.is_down = False
    assert here.answer(asked, origin.make).outcome is Outcome.ORIGIN


def test_what_was_ended_elsewhere_is_not_shown_for_want_of_an_origin(
    here: ReadThrough, elsewhere: ReadThrough, clock: ManualClock
) -> None:
    asked, origin = question(AGGREGATIONS), Origin()
    here.answer(asked, origin.make)
    elsewhere.forget(asked.organization_id)
    origin.is_down = True
    clock.advance(AGGREGATIONS.alone_s)
    with pytest.raises(UnavailableError):
        here.answer(asked, origin.make)


def test_a_refusal_is_the_callers_own_and_is_not_kept(here: ReadThrough) -> None:
    asked = question()

    def refuse() -> None:
        raise InvalidError("no", code="bad_query")

    for _ in range(2):
        with pytest.raises(InvalidError):
            here.answer(asked, refuse)  # type: ignore[arg-type]
    assert here.answer(asked, Origin().make).outcome is Outcome.ORIGIN


def test_an_answer_that_took_long_is_made_anew_before_it_is_old(
    embedded_valkey: EmbeddedValkey, clock: ManualClock
) -> None:
    cache = RedisCache(embedded_valkey.url(), SystemClock(), **TIMEOUTS)
    chance = [0.0]
    process = ReadThrough(cache, clock, chance=lambda: chance[0])
    asked, origin = question(), Origin()

    def slowly() -> object:
        clock.advance(100)
        return origin.make()

    process.answer(asked, slowly)  # type: ignore[arg-type]
    clock.advance(PROFILES.fresh_s - 200)
    assert process.answer(asked, origin.make).outcome is Outcome.SHARED
    chance[0] = 0.999
    assert process.answer(asked, origin.make).outcome is Outcome.ORIGIN
    assert process.figures.early() == {"profiles": 1}
    cache.close()


def test_without_a_server_the_origin_is_asked_by_no_more_than_its_cap(clock: ManualClock) -> None:
    alone, origin = ReadThrough(NullCache(), clock), Origin()
    organizations = [OrganizationId(uuid4()) for _ in range(4)]
    origin.gate.clear()
    with ThreadPoolExecutor(40) as pool:
        answers = [
            pool.submit(alone.answer, Question(organizations[number % 4], AGGREGATIONS, str(number)), origin.make)
            for number in range(40)
        ]
        while origin.at_once < AGGREGATIONS.origin_callers:
            assert origin.has_read.wait(10)
        origin.gate.set()
        for each in answers:
            each.result()
    assert origin.most_at_once == AGGREGATIONS.origin_callers
    assert alone.figures.most_running() == {"aggregations": AGGREGATIONS.origin_callers}
    assert alone.figures.running() == {"aggregations": 0}


def test_an_organization_that_asks_for_much_leaves_the_origin_to_others(clock: ManualClock) -> None:
    alone, slow = ReadThrough(NullCache(), clock), Origin()
    flooder = OrganizationId(uuid4())
    slow.gate.clear()
    with ThreadPoolExecutor(20) as pool:
        answers = [
            pool.submit(alone.answer, Question(flooder, AGGREGATIONS, str(number)), slow.make) for number in range(20)
        ]
        eventually(lambda: slow.at_once == AGGREGATIONS.origin_callers_of_one)
        assert alone.answer(question(AGGREGATIONS), Origin(b"theirs").make).body == b"theirs"
        slow.gate.set()
        for each in answers:
            each.result()
    assert slow.most_at_once == AGGREGATIONS.origin_callers_of_one


def test_without_a_server_a_panel_is_remembered_for_seconds_and_a_profile_not_at_all(clock: ManualClock) -> None:
    alone = ReadThrough(NullCache(), clock)
    panel, profile = Origin(), Origin()
    for _ in range(3):
        alone.answer(question(AGGREGATIONS, OrganizationId(uuid4())), panel.make)
    asked, private = question(AGGREGATIONS), question(PROFILES)
    panel.asked = 0
    for _ in range(4):
        alone.answer(asked, panel.make)
        alone.answer(private, profile.make)
        clock.advance(1)
    assert (panel.asked, profile.asked) == (1, 4)
    clock.advance(AGGREGATIONS.cut_off_s)
    alone.answer(asked, panel.make)
    assert panel.asked == 2
