import asyncio

import pytest

from fakes.manual_clock import ManualClock
from strata_core.observing.shared_reading import SharedReading


class Meter:
    def __init__(self) -> None:
        self.taken = 0
        self.may_end = asyncio.Event()

    async def take(self) -> int:
        self.taken += 1
        number = self.taken
        await self.may_end.wait()
        return number


def test_a_crowd_costs_one_reading_and_the_next_crowd_another() -> None:
    async def ask() -> None:
        meter = Meter()
        clock = ManualClock()
        reading = SharedReading(meter.take, clock)
        crowd = [asyncio.ensure_future(reading.latest()) for _ in range(1_000)]
        gone = crowd.pop()
        await asyncio.sleep(0)
        gone.cancel()
        meter.may_end.set()
        assert set(await asyncio.gather(*crowd)) == {1}
        assert await reading.latest() == 1
        clock.advance(1)
        assert await asyncio.gather(*(reading.latest() for _ in range(9))) == [2] * 9

    asyncio.run(ask())


def test_a_failure_is_told_to_all_who_waited_and_tried_again_later() -> None:
    async def ask() -> None:
        attempts = []

        async def fail() -> None:
            attempts.append(1)
            raise ValueError("broken")

        reading = SharedReading(fail, ManualClock(), fresh_s=60)
        found = await asyncio.gather(*(reading.latest() for _ in range(5)), return_exceptions=True)
        assert [str(each) for each in found] == ["broken"] * 5
        with pytest.raises(ValueError, match="broken"):
            await reading.latest()
        assert len(attempts) == 1

    asyncio.run(ask())
