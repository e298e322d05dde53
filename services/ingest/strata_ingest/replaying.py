"""Sends dead letters through the spool again, for people who asked for it."""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from uuid import UUID

import structlog

from strata_core.dead_letters.replaying import Replaying, note_replayed, put_back, take_replaying
from strata_core.ports.clock import Clock
from strata_core.ports.spool import Spool
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.errors import InvalidError, LimitError, StrataError, UnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import BatchId, DeadLetterId, OrganizationId
from strata_datamodel.limits import REQUEST_TIMEOUT_S
from strata_datamodel.spooling import Envelope, Signal, WireFormat

log = structlog.get_logger(__name__)
LETTERS_PER_PASS: Final = 20
PAUSE_S: Final = 1.0
_STOP_S: Final = 10.0
_PART: Final = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
_NANOSECONDS: Final = re.compile(r"[0-9]{1,19}")
_LATEST_NS: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class _Format:
    """What `burying` wrote of a letter's content. `part` counts from 1."""

    wire_format: WireFormat
    encoding: str
    received_at_ns: int | None
    parameters: Mapping[str, str]
    part: int
    parts: int


class Replayer:
    """A thread that looks once a second. A spool that is full makes it wait, and nothing is lost: a letter is replayed
    once what it holds is durable. Dying in between sends it twice, and both times to the same points or events."""

    def __init__(self, units: SystemUnitsOfWork, spools: Mapping[Signal, Spool], clock: Clock) -> None:
        self._units = units
        self._spools = spools
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dead-letter-replayer", daemon=True)
        self._last_error = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def health(self) -> StoreHealth:
        is_alive = self._thread.is_alive()
        detail = self._last_error or ("looks for letters" if is_alive else "not running")
        return StoreHealth("replayer", is_ready=is_alive and not self._last_error, detail=detail, is_required=False)

    def step(self) -> int:
        """How many letters were taken up."""
        with self._units.system() as uow:
            letters = take_replaying(uow, limit=LETTERS_PER_PASS)
        for organization_id, group in _bodies(letters):
            self._replay(organization_id, group)
        return len(letters)

    def _replay(self, organization_id: OrganizationId, letters: Sequence[Replaying]) -> None:
        """What goes wrong with one body holds up no other: each would come first again, before others' letters."""
        ids = [letter.id for letter in letters]
        try:
            envelope, body = rebuilt(letters, self._clock.now_ns())
            self._spools[envelope.signal].append(envelope, body).result(REQUEST_TIMEOUT_S)
        except (UnavailableError, LimitError, TimeoutError) as error:
            # They stay taken up for a minute, and are tried again then.
            log.warning("replay_put_off", letters=len(ids), reason=str(error) or type(error).__name__)
        except StrataError as error:
            self._put_back(organization_id, ids, error.detail)
        except Exception as error:
            log.exception("replay_failed", letters=len(ids))
            self._put_back(organization_id, ids, f"it cannot be replayed: {type(error).__name__}")
        else:
            with self._units.organization(organization_id) as uow:
                note_replayed(uow, ids)
            log.info("dead_letters_replayed", organization_id=str(organization_id), letters=len(ids))

    def _put_back(self, organization_id: OrganizationId, ids: Sequence[DeadLetterId], reason: str) -> None:
        with self._units.organization(organization_id) as uow:
            put_back(uow, ids, reason)

    def _run(self) -> None:
        while not self._stopping.is_set():
            done = self._look()
            if not done:
                self._stopping.wait(PAUSE_S)

    def _look(self) -> int:
        try:
            done = self.step()
        except StrataError as error:
            self._note(error.detail)
        except Exception as error:
            # Outlives any one letter; it is seen in the readiness.
            log.exception("replayer_failed")
            self._note(type(error).__name__)
        else:
            self._last_error = ""
            return done
        return 0

    def _note(self, reason: str) -> None:
        if reason != self._last_error:
            log.warning("replayer_held_up", reason=reason)
        self._last_error = reason


def rebuilt(letters: Sequence[Replaying], now_ns: int) -> tuple[Envelope, bytes]:
    """What goes to the spool for the letters of one body. Raises InvalidError for what cannot be put together.

    A body as it was sent goes under its own batch and time, which the ids of its events are made of; points and events
    that were parsed before say theirs themselves, and go under the letter's."""
    formats = [_format(letter) for letter in letters]
    ordered = [letter for _, letter in sorted(zip((each.part for each in formats), letters, strict=True))]
    first, letter = formats[0], letters[0]
    if sorted(each.part for each in formats) != list(range(1, first.parts + 1)):
        raise InvalidError(
            f"it is a part of a body in {first.parts} letters, of which {len(letters)} are here to replay"
        )
    batch_id = letter.id if first.received_at_ns is None or letter.batch_id is None else letter.batch_id
    envelope = Envelope(
        organization_id=letter.organization_id,
        batch_id=BatchId(UUID(int=batch_id.int)),
        received_at_ns=now_ns if first.received_at_ns is None else first.received_at_ns,
        signal=Signal(letter.signal),
        wire_format=first.wire_format,
        parameters=first.parameters,
        encoding=first.encoding,
    )
    return envelope, b"".join(each.content for each in ordered)


def _bodies(letters: Sequence[Replaying]) -> list[tuple[OrganizationId, list[Replaying]]]:
    """Parts of one body together, each other letter alone."""
    groups: dict[tuple[object, ...], list[Replaying]] = {}
    for letter in letters:
        is_part = ";part=" in letter.content_format and letter.batch_id is not None
        groups.setdefault((letter.organization_id, letter.batch_id if is_part else letter.id), []).append(letter)
    return [(group[0].organization_id, group) for group in groups.values()]


def _format(letter: Replaying) -> _Format:
    name, *words = letter.content_format.split(";")
    known = dict(word.partition("=")[::2] for word in words)
    part = _PART.fullmatch(known.pop("part", "1/1"))
    received = known.pop("received_at_ns", None)
    encoding = known.pop("encoding", "identity")
    is_time = received is None or (_NANOSECONDS.fullmatch(received) and int(received) <= _LATEST_NS)
    if name not in set(WireFormat) or part is None or not is_time:
        raise InvalidError(f"its format cannot be read: {letter.content_format[:200]}")
    return _Format(
        WireFormat(name),
        encoding,
        None if received is None else int(received),
        {name: unquote(value) for name, value in known.items()},
        int(part[1]),
        int(part[2]),
    )
