"""What a SecretBox promises, and what its keys must withstand."""

import threading
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories.envelopes import ORGANIZATION, OTHER_ORGANIZATION
from fakes.manual_clock import ManualClock
from fakes.memory_data_keys import MemoryDataKeys
from strata_core.ports.data_keys import INDEX_KEY_VERSION
from strata_core.ports.secret_box import SecretPlace
from strata_datamodel.errors import DeniedError
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring
from strata_stores.secrets.sealing import bound_to_place

ROW = UUID("01900000-0000-7000-8000-000000000001")
PLACE = SecretPlace(ORGANIZATION, "webhooks", "secret_sealed", ROW)
SECRET = b"whsec-of-the-first-organization"
OLD, NEW = WrappingKey(b"o" * 32), WrappingKey(b"n" * 32)


@pytest.fixture
def keys() -> MemoryDataKeys:
    return MemoryDataKeys()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def box(keys: MemoryDataKeys, clock: ManualClock) -> AesGcmSecretBox:
    return AesGcmSecretBox(keys, WrappingKeyring([OLD]), clock)


def restarted(keys: MemoryDataKeys, *wrapping: WrappingKey) -> AesGcmSecretBox:
    return AesGcmSecretBox(keys, WrappingKeyring(wrapping or (OLD,)), ManualClock())


def refuses(box: AesGcmSecretBox, place: SecretPlace, ciphertext: bytes) -> bool:
    with pytest.raises(DeniedError) as refused:
        box.open(place, ciphertext)
    assert refused.value.code == "secret_unreadable"
    assert SECRET.decode() not in f"{refused.value.detail} {refused.value.hint} {refused.value.__cause__!r}"
    return True


@pytest.mark.parametrize("plaintext", [b"", b"\0", SECRET, bytes(100_000)])
def test_what_was_sealed_opens_in_its_place(box: AesGcmSecretBox, plaintext: bytes) -> None:
    assert box.open(PLACE, box.seal(PLACE, plaintext)) == plaintext


def test_a_restarted_process_opens_it(box: AesGcmSecretBox, keys: MemoryDataKeys) -> None:
    assert restarted(keys).open(PLACE, box.seal(PLACE, SECRET)) == SECRET


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, organization_id=OTHER_ORGANIZATION),
        replace(PLACE, table="users"),
        replace(PLACE, column="other"),
        replace(PLACE, row_id=UUID(int=ROW.int + 1)),
        replace(PLACE, table="webhookssecret", column="_sealed"),
        replace(PLACE, table="webhookssecret_sealed", column=""),
    ],
)
def test_a_ciphertext_does_not_open_elsewhere(box: AesGcmSecretBox, elsewhere: SecretPlace) -> None:
    sealed = box.seal(PLACE, SECRET)
    box.seal(elsewhere, b"something of its own")
    assert refuses(box, elsewhere, sealed)


@given(first=st.tuples(st.text(), st.text()), second=st.tuples(st.text(), st.text()))
def test_no_two_places_are_bound_alike(first: tuple[str, str], second: tuple[str, str]) -> None:
    one, two = (SecretPlace(ORGANIZATION, table, column, ROW) for table, column in (first, second))
    assert (bound_to_place(one, 1) == bound_to_place(two, 1)) == (first == second)


def test_no_byte_can_be_changed_or_cut(box: AesGcmSecretBox) -> None:
    sealed = box.seal(PLACE, SECRET)
    for at in range(len(sealed)):
        assert refuses(box, PLACE, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        assert refuses(box, PLACE, sealed[:at])
    assert refuses(box, PLACE, sealed + b"\0")


def test_sealing_twice_gives_two_ciphertexts_with_nonces_of_their_own(box: AesGcmSecretBox) -> None:
    sealed = {box.seal(PLACE, SECRET) for _ in range(2_000)}
    assert len({text[5:17] for text in sealed}) == 2_000


def test_a_data_key_moved_to_another_organization_or_version_opens_nothing(
    box: AesGcmSecretBox, keys: MemoryDataKeys
) -> None:
    sealed = box.seal(PLACE, SECRET)
    stolen = keys.rows[ORGANIZATION, 1]
    keys.rows[OTHER_ORGANIZATION, 1] = replace(stolen, organization_id=OTHER_ORGANIZATION)
    keys.rows[ORGANIZATION, 2] = replace(stolen, version=2)
    thief = restarted(keys)
    assert refuses(thief, replace(PLACE, organization_id=OTHER_ORGANIZATION), sealed)
    assert refuses(thief, PLACE, sealed[:4] + b"\2" + sealed[5:])
    assert thief.open(PLACE, sealed) == SECRET
    with pytest.raises(DeniedError):
        thief.seal(PLACE, SECRET)


def test_without_the_right_wrapping_key_nothing_opens(box: AesGcmSecretBox, keys: MemoryDataKeys) -> None:
    sealed = box.seal(PLACE, SECRET)
    assert refuses(restarted(keys, NEW), PLACE, sealed)
    keys.rows[ORGANIZATION, 1] = replace(keys.rows[ORGANIZATION, 1], wrapping_key_id=NEW.key_id)
    assert refuses(restarted(keys, NEW), PLACE, sealed)


def test_an_old_wrapping_key_behind_the_new_one_still_opens(box: AesGcmSecretBox, keys: MemoryDataKeys) -> None:
    sealed = box.seal(PLACE, SECRET)
    rotated = restarted(keys, NEW, OLD)
    assert rotated.open(PLACE, sealed) == SECRET
    rotated.rotate(ORGANIZATION)
    assert keys.rows[ORGANIZATION, 2].wrapping_key_id == NEW.key_id
    assert rotated.open(PLACE, sealed) == SECRET


def test_a_lost_data_key_is_told_as_unreadable(box: AesGcmSecretBox, keys: MemoryDataKeys) -> None:
    sealed = box.seal(PLACE, SECRET)
    keys.rows.clear()
    assert refuses(restarted(keys), PLACE, sealed)


def test_processes_that_seal_first_at_once_agree_on_one_key(keys: MemoryDataKeys) -> None:
    boxes = [restarted(keys) for _ in range(8)]
    start = threading.Barrier(len(boxes))
    sealed: list[bytes] = []

    def seal(box: AesGcmSecretBox) -> None:
        start.wait()
        sealed.append(box.seal(PLACE, SECRET))

    threads = [threading.Thread(target=seal, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys.rows) == 1
    assert [restarted(keys).open(PLACE, text) for text in sealed] == [SECRET] * 8


def test_after_a_rotation_new_values_have_the_new_key_and_old_ones_open(
    box: AesGcmSecretBox, keys: MemoryDataKeys, clock: ManualClock
) -> None:
    other_process = AesGcmSecretBox(keys, WrappingKeyring([OLD]), clock, current_s=60)
    before = other_process.seal(PLACE, SECRET)
    assert box.rotate(ORGANIZATION) == 2
    assert box.seal(PLACE, SECRET)[4] == 2
    clock.advance(60)
    assert other_process.seal(PLACE, SECRET)[4] == 2
    assert box.open(PLACE, before) == SECRET


def test_blind_indexes_are_equal_within_one_organization_and_purpose_only(box: AesGcmSecretBox) -> None:
    index = box.blind_index(ORGANIZATION, "ip", b"192.0.2.1")
    assert len(index) == 32
    assert box.blind_index(ORGANIZATION, "ip", b"192.0.2.1") == index
    assert box.blind_index(ORGANIZATION, "ip", b"192.0.2.2") != index
    assert box.blind_index(ORGANIZATION, "email", b"192.0.2.1") != index
    assert box.blind_index(OTHER_ORGANIZATION, "ip", b"192.0.2.1") != index


def test_blind_indexes_survive_rotation_and_restart(box: AesGcmSecretBox, keys: MemoryDataKeys) -> None:
    index = box.blind_index(ORGANIZATION, "ip", b"192.0.2.1")
    box.rotate(ORGANIZATION)
    assert restarted(keys, NEW, OLD).blind_index(ORGANIZATION, "ip", b"192.0.2.1") == index


def test_the_index_key_never_seals_or_opens(box: AesGcmSecretBox, keys: MemoryDataKeys) -> None:
    box.blind_index(ORGANIZATION, "ip", b"x")
    sealed = box.seal(PLACE, SECRET)
    assert set(keys.rows) == {(ORGANIZATION, INDEX_KEY_VERSION), (ORGANIZATION, 1)}
    assert sealed[1:5] == b"\0\0\0\1"
    assert refuses(box, PLACE, sealed[:1] + b"\0\0\0\0" + sealed[5:])


def test_unwrapped_keys_are_kept_but_not_without_bound(keys: MemoryDataKeys) -> None:
    box = AesGcmSecretBox(keys, WrappingKeyring([OLD]), ManualClock(), cached_keys=2)
    sealed = box.seal(PLACE, SECRET)
    before = keys.look_ups
    for _ in range(10):
        box.open(PLACE, sealed)
    assert keys.look_ups == before
    for number in range(5):
        box.blind_index(replace(PLACE, organization_id=UUID(int=number + 1)).organization_id, "x", b"")
    assert len(box._unwrapped) == 2
    assert box.open(PLACE, sealed) == SECRET


def test_no_repr_shows_a_key(box: AesGcmSecretBox) -> None:
    box.seal(PLACE, SECRET)
    shown = " ".join(repr(thing) for thing in (OLD, WrappingKeyring([OLD]), box, *box._unwrapped.values()))
    assert "oooo" not in shown
    for key in box._unwrapped.values():
        assert repr(key.key) not in shown
