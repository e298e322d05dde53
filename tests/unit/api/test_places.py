"""Places for requests in work: nobody gets one too many, and none is lost."""

import asyncio

from strata_api.places import Places


def test_each_owner_has_its_own() -> None:
    async def scene() -> None:
        places = Places(2, waiting=0, wait_s=1.0)
        assert [await places.take("acme") for _ in range(3)] == [True, True, False]
        assert await places.take("globex")

    asyncio.run(scene())


def test_a_place_goes_to_who_waits_the_longest() -> None:
    async def scene() -> None:
        places = Places(1, waiting=2, wait_s=10.0)
        assert await places.take("acme")
        order: list[str] = []

        async def wait(name: str) -> None:
            assert await places.take("acme")
            order.append(name)

        tasks = [asyncio.create_task(wait(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        assert not await places.take("acme")  # as many wait as may
        places.leave("acme")
        await tasks[0]
        assert order == ["first"]
        places.leave("acme")
        await tasks[1]
        assert order == ["first", "second"]

    asyncio.run(scene())


def test_who_waits_in_vain_is_told_and_leaves_the_queue() -> None:
    async def scene() -> None:
        places = Places(1, waiting=1, wait_s=0.01)
        assert await places.take("acme")
        assert not await places.take("acme")
        places.leave("acme")
        assert await places.take("acme")

    asyncio.run(scene())


def test_a_place_handed_to_who_goes_away_at_that_moment_is_passed_on() -> None:
    async def scene() -> None:
        places = Places(1, waiting=2, wait_s=10.0)
        assert await places.take("acme")
        gone, stays = (asyncio.create_task(places.take("acme")) for _ in range(2))
        await asyncio.sleep(0)
        places.leave("acme")
        gone.cancel()
        assert await stays
        assert gone.cancelled()
        places.leave("acme")
        assert await places.take("acme")

    asyncio.run(scene())


def test_who_goes_away_while_waiting_takes_nothing() -> None:
    async def scene() -> None:
        places = Places(1, waiting=1, wait_s=10.0)
        assert await places.take("acme")
        gone = asyncio.create_task(places.take("acme"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        places.leave("acme")
        assert await places.take("acme")

    asyncio.run(scene())
