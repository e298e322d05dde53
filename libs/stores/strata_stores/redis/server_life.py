"""Which life of its server a process is talking to."""

import re
from typing import Any, Final

import redis

_RUN_ID: Final = re.compile(rb"run_id:([0-9a-f]{16,64})")
_UNTOLD: Final = "untold"
_LENGTH: Final = 16


class ServerLife:
    """A server that was restarted from an old file, or a replica that took over, brings back entries without the
    invalidations that came after them. Each has a run id of its own, asked for on every new connection before anything
    else is: keys that hold it are not found again after it changed."""

    def __init__(self) -> None:
        self.name = ""

    def learn(self, connection: Any) -> None:
        """For redis-py's `redis_connect_func`, which replaces what a connection does first."""
        connection.on_connect()
        connection.send_command("INFO", "server")
        try:
            found = _RUN_ID.search(connection.read_response())
        except redis.ResponseError:  # an account that may not ask: then only FLUSHALL and TTLs end what was missed
            found = None
        self.name = _UNTOLD if found is None else found[1].decode()[:_LENGTH]
