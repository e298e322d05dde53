"""What every Archive promises: on a local directory and through the S3 API."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from faults.kinds import BlackHole, CutReply, Refuse
from fixtures.fault_proxies import MakeProxy
from strata_core.ports.archive import Archive
from strata_datamodel.errors import ConflictError, InvalidError, NotFoundError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_stores.archive.object_archive import ObjectArchive, open_archive
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock

MINE = OrganizationId(uuid4())
THEIRS = OrganizationId(uuid4())
CREDENTIALS = "test:%2Fsecret%2B@"


def breaker() -> Breaker:
    return Breaker("archive", SystemClock(), failures_to_open=100)


def on_s3(server: str, bucket: str, timeout_s: float = 60.0) -> ObjectArchive:
    url = f"s3://{CREDENTIALS}{bucket}/strata/archive?region=us-east-1&endpoint={server}"
    return open_archive(url, breaker=breaker(), connect_timeout_s=1, timeout_s=timeout_s)


@pytest.fixture(params=["local", "s3"])
def archive(request: pytest.FixtureRequest) -> Archive:
    if request.param == "local":
        directory: Path = request.getfixturevalue("tmp_path") / "an archive"
        return open_archive(directory.as_uri(), breaker=breaker())
    return on_s3(request.getfixturevalue("s3_server"), request.getfixturevalue("s3_bucket"))


@pytest.mark.parametrize("content", [b"", b"\0", b"x" * 100_000, bytes(6 << 20)], ids=["empty", "nul", "some", "large"])
def test_what_was_put_comes_back(archive: Archive, content: bytes) -> None:
    archive.put(MINE, "a/b.parquet", content)
    assert archive.get(MINE, "a/b.parquet") == content
    assert b"".join(archive.stream(MINE, "a/b.parquet")) == content


def test_a_second_put_replaces_the_first(archive: Archive) -> None:
    archive.put(MINE, "a", b"first, and longer")
    archive.put(MINE, "a", b"second")
    assert archive.get(MINE, "a") == b"second"
    assert len(archive.listing(MINE)) == 1


def test_what_is_missing_is_told_before_the_first_chunk(archive: Archive) -> None:
    with pytest.raises(NotFoundError):
        archive.get(MINE, "missing")
    with pytest.raises(NotFoundError):
        archive.stream(MINE, "missing")


def test_streams_come_in_chunks_of_the_size_asked_for(archive: Archive) -> None:
    content = bytes(range(256)) * 80_000  # needs several requests
    archive.put(MINE, "big", content)
    chunks = list(archive.stream(MINE, "big", chunk_bytes=3_000_000))
    assert {len(chunk) for chunk in chunks[:-1]} == {3_000_000}
    assert b"".join(chunks) == content


def test_a_stream_never_mixes_two_versions(archive: Archive) -> None:
    archive.put(MINE, "big", b"1" * (20 << 20))
    chunks = archive.stream(MINE, "big")
    read = [next(chunks)]
    archive.put(MINE, "big", b"2" * (20 << 20))
    with pytest.raises(ConflictError):
        read.extend(chunks)
    assert set(b"".join(read)) == {ord("1")}


def test_listing_is_ordered_by_key_and_recursive(archive: Archive) -> None:
    keys = ["b", "a/year=2026/2.parquet", "a/year=2026/10.parquet", "a/x", "ab/y", "A"]
    for key in keys:
        archive.put(MINE, key, key.encode())
    found = archive.listing(MINE)
    assert [item.key for item in found] == sorted(keys)
    assert [item.size_bytes for item in found] == [len(key) for key in sorted(keys)]
    assert all(abs(item.modified_at - datetime.now(UTC)) < timedelta(minutes=5) for item in found)


def test_a_prefix_is_made_of_whole_parts(archive: Archive) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        archive.put(MINE, key, b"")
    for prefix in ("a", "a/"):
        assert [item.key for item in archive.listing(MINE, prefix)] == ["a/1", "a/b/2"]
    assert [item.key for item in archive.listing(MINE, "a/b")] == ["a/b/2"]
    assert archive.listing(MINE, "none") == []


def test_more_objects_than_a_page_are_all_listed(archive: Archive) -> None:
    keys = [f"many/{number:04d}" for number in range(120)]
    for key in keys:
        archive.put(MINE, key, b"")
    assert [item.key for item in archive.listing(MINE, "many")] == keys


def test_deleting_is_idempotent(archive: Archive) -> None:
    archive.put(MINE, "a/b", b"1")
    archive.delete(MINE, "a/b")
    archive.delete(MINE, "a/b")
    archive.delete(MINE, "never/was")
    assert archive.listing(MINE) == []
    archive.put(MINE, "a/b", b"2")
    assert archive.get(MINE, "a/b") == b"2"


def test_organizations_do_not_see_each_other(archive: Archive) -> None:
    archive.put(MINE, "same", b"mine")
    archive.put(THEIRS, "same", b"theirs")
    archive.put(THEIRS, "other", b"theirs")
    assert [item.key for item in archive.listing(MINE)] == ["same"]
    archive.delete(MINE, "same")
    assert archive.get(THEIRS, "same") == b"theirs"
    with pytest.raises(NotFoundError):
        archive.get(MINE, "other")


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../x", "a/./b", "...", f"../{THEIRS}/same", "%2e%2e/x"),
        *("a\0b", "a\nb", "a\\b", "a b", "a#1", "\N{SNOWMAN}", "x" * 201, "/".join("x" * 100 for _ in range(9))),
    ],
    ids=lambda key: f"{len(key)}-{ascii(key)[1:4]}",  # no id of this process: workers must name tests alike
)
def test_bad_keys_are_refused_everywhere(archive: Archive, key: str) -> None:
    for call in (archive.get, archive.delete, archive.stream):
        with pytest.raises(InvalidError) as refused:
            call(MINE, key)
        assert refused.value.code == "bad_key"
    with pytest.raises(InvalidError):
        archive.put(MINE, key, b"")
    if key not in {"", "a/"}:
        with pytest.raises(InvalidError):
            archive.listing(MINE, key)


def test_a_reader_sees_one_version_or_the_other(archive: Archive) -> None:
    versions = [bytes([n]) * 300_000 for n in (1, 2)]
    archive.put(MINE, "a", versions[0])
    stop = threading.Event()
    seen: list[bytes] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(archive.get(MINE, "a"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        archive.put(MINE, "a", versions[number % 2])
    stop.set()
    reader.join()
    assert seen
    assert all(content in versions for content in seen)


def test_health_is_ready(archive: Archive) -> None:
    assert archive.health().is_ready
    assert archive.health().store == "archive"


@pytest.mark.parametrize("fault", [Refuse(), BlackHole(), CutReply()], ids=repr)
def test_a_remote_store_that_does_not_answer_is_unavailable_in_bounded_time(
    s3_server: str, s3_bucket: str, fault_proxy: MakeProxy, fault: Refuse
) -> None:
    proxy = fault_proxy(s3_server)
    archive = on_s3(proxy.url, s3_bucket, timeout_s=0.5)
    archive.put(MINE, "a", b"1")
    proxy.set(fault)
    started_s = SystemClock().monotonic_s()
    for call in (archive.get, archive.stream, archive.delete, archive.listing):
        with pytest.raises(StoreUnavailableError):
            call(MINE, "a")
    with pytest.raises(StoreUnavailableError):
        archive.put(MINE, "b", b"")
    assert not archive.health().is_ready
    assert SystemClock().monotonic_s() - started_s < 20
    proxy.heal()
    archive.put(MINE, "a", b"2")
    assert archive.get(MINE, "a") == b"2"
    assert archive.health().is_ready


def test_errors_and_reprs_do_not_show_credentials(s3_server: str) -> None:
    archive = on_s3(s3_server, "no-such-bucket")
    health = archive.health()
    assert not health.is_ready
    with pytest.raises((StoreUnavailableError, NotFoundError)) as missing:
        archive.put(MINE, "a", b"")
    for shown in (health.detail, str(missing.value), repr(archive)):
        assert "secret" not in shown.lower()


@pytest.mark.parametrize(
    "url", ["file:relative", "s3:///prefix", "s3://bucket?unknown=1", "s3://bucket/x?region=a&secret_access_key=b"]
)
def test_urls_that_cannot_work_are_refused(url: str) -> None:
    with pytest.raises(InvalidError):
        open_archive(url, breaker=breaker())


def test_a_key_cannot_be_a_file_and_a_directory_in_a_local_archive(tmp_path: Path) -> None:
    archive = open_archive(tmp_path.as_uri(), breaker=breaker())
    archive.put(MINE, "a", b"1")
    archive.put(MINE, "b/c", b"2")
    for key in ("a/b", "b"):
        with pytest.raises(InvalidError):
            archive.put(MINE, key, b"")
    for key in ("a/b", "b"):
        with pytest.raises((NotFoundError, StoreUnavailableError)):
            archive.get(MINE, key)
    assert [item.key for item in archive.listing(MINE)] == ["a", "b/c"]


def test_what_a_dead_writer_left_is_cleared_and_never_listed(tmp_path: Path) -> None:
    archive = open_archive(tmp_path.as_uri(), breaker=breaker())
    left = tmp_path / ".partial" / f"{2**22 + 1}-left"
    left.write_bytes(b"half")
    archive.put(MINE, "a", b"1")
    assert [item.key for item in archive.listing(MINE)] == ["a"]
    open_archive(tmp_path.as_uri(), breaker=breaker())
    assert list((tmp_path / ".partial").iterdir()) == []
