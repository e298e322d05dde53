"""Where wrapping keys come from."""

import base64
import json
import stat
import threading
from pathlib import Path

import pytest

from strata_datamodel.errors import InvalidError
from strata_stores.secrets.keyring import WrappingKeyring, add_key_in_front

KEY = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


def test_the_first_start_draws_a_key_that_only_the_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "wrapping.json"
    first = WrappingKeyring.from_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert WrappingKeyring.from_file(path).current_id == first.current_id
    assert list(path.parent.iterdir()) == [path]
    assert WrappingKeyring.from_file(tmp_path / "other.json").current_id != first.current_id


def test_two_first_starts_at_once_use_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "wrapping.json"
    start = threading.Barrier(8)
    ids: list[str] = []

    def load() -> None:
        start.wait()
        ids.append(WrappingKeyring.from_file(path).current_id)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_key_moved_from_the_file_to_a_setting_still_unwraps(tmp_path: Path) -> None:
    path = tmp_path / "wrapping.json"
    from_file = WrappingKeyring.from_file(path)
    wrapped = from_file.wrap(b"d" * 32, b"place")
    text = json.loads(path.read_bytes())["keys"][0]["key"]
    from_setting = WrappingKeyring.from_base64(f"{OTHER}, {text}")
    assert from_setting.current_id != from_file.current_id
    assert from_setting.unwrap(from_file.current_id, wrapped, b"place") == b"d" * 32


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrapping.json"
    WrappingKeyring.from_file(path)
    path.chmod(0o640)
    with pytest.raises(InvalidError) as refused:
        WrappingKeyring.from_file(path)
    assert refused.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"keys": []}', b'{"keys": [{}]}', b'{"keys": [{"key": 1}]}', b'{"keys": [{"key": "AAA="}]}'],
)
def test_a_damaged_file_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrapping.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InvalidError):
        WrappingKeyring.from_file(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("text", ["", "not base64", "AAAA", f"{KEY},", KEY[:-4]])
def test_a_bad_setting_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidError) as refused:
        WrappingKeyring.from_base64(text)
    assert refused.value.code == "bad_wrapping_key"
    assert not text or text not in refused.value.detail


def test_derived_keys_differ_by_purpose_and_by_key() -> None:
    keyring = WrappingKeyring.from_base64(KEY)
    derived = {
        keyring.derive("rings"),
        keyring.derive("cursors"),
        WrappingKeyring.from_base64(OTHER).derive("rings"),
        b"k" * 32,
    }
    assert len(derived) == 4
    assert WrappingKeyring.from_base64(f"{KEY},{OTHER}").derive("rings") == keyring.derive("rings")


def test_a_key_put_in_front_wraps_from_then_on_and_running_processes_learn_of_it(tmp_path: Path) -> None:
    path = tmp_path / "wrapping.json"
    running = WrappingKeyring.from_file(path)
    before = running.wrap(b"d" * 32, b"place")
    new = add_key_in_front(path)
    restarted = WrappingKeyring.from_file(path)
    assert restarted.current_id == new.key_id != running.current_id
    assert restarted.unwrap(running.current_id, before, b"place") == b"d" * 32
    after = restarted.wrap(b"e" * 32, b"place")
    assert running.unwrap(new.key_id, after, b"place") == b"e" * 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_derivates_of_former_keys_are_still_known() -> None:
    old, both = WrappingKeyring.from_base64(KEY), WrappingKeyring.from_base64(f"{OTHER},{KEY}")
    assert both.derive_all("anchors") == [both.derive("anchors"), old.derive("anchors")]
