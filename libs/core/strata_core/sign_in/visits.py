"""From where a person does something to their own account."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    request_id: str
    remote_addr: str | None
    user_agent: str | None
