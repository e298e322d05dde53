"""What something poisonous does to the process that takes it up."""

import os
import signal


def happen(what: str) -> None:
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "hang":
        while True:
            pass
    elif what == "eat":
        hoard = []
        while True:
            hoard.append(bytearray(16 << 20))
