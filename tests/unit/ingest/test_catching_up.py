"""Senders and a writer that is behind."""

import asyncio

from strata_ingest.catching_up import CatchingUp


class Writer:
    """Takes one each time that somebody looks whether it is behind."""

    def __init__(self, waiting, *, is_stalled=False):
        self.waiting = waiting
        self.taken = 0
        self.is_stalled = is_stalled

    @property
    def is_crowded(self):
        was_crowded = self.waiting > 3
        if not self.is_stalled:
            self.waiting -= 1
            self.taken += 1
        return was_crowded


def is_waiting(catching_up):
    """Whether a request stops there at all."""
    pause = catching_up.pause()
    try:
        pause.send(None)
    except StopIteration:
        return False
    except RuntimeError:  # no loop to sleep on
        return True
    finally:
        pause.close()
    return True


def test_nobody_waits_for_a_writer_that_keeps_up():
    assert not is_waiting(CatchingUp(Writer(3)))


def test_a_request_waits_until_there_is_room_again():
    writer = Writer(6)
    asyncio.run(CatchingUp(writer).pause())
    assert writer.waiting == 2


def test_a_writer_that_takes_nothing_is_waited_for_once_and_again_when_it_goes_on():
    writer = Writer(6, is_stalled=True)
    catching_up = CatchingUp(writer)
    asyncio.run(catching_up.pause())
    assert not is_waiting(catching_up)
    writer.taken += 1
    assert is_waiting(catching_up)
