"""The id that follows a request through proxies, answers and logs."""

import random
import re
from collections.abc import Iterable
from typing import Final

HEADER: Final = b"x-request-id"
_HARMLESS: Final = re.compile(rb"[A-Za-z0-9._-]{8,128}")


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own where it is harmless in headers and logs, and long enough to find a request by; else a new one.
    Names of headers are in lower case, as ASGI has them."""
    for name, value in headers:
        if name == HEADER and _HARMLESS.fullmatch(value):
            return bytes(value).decode("ascii")
    # Names a request and guards nothing; uuid4 would be a system call. A forked process goes on with a seed of its own.
    return f"{random.getrandbits(128):032x}"
