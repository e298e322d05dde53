"""What every Notifier promises: how each thing a receiver can do is told, and that it is told in time."""

import base64
import hashlib
import hmac
import socket
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest

from fakes.webhook_receiver import Reply, WebhookReceiver, raw, receiving, reset, silence, status, trickle
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, Notifier, WebhookTarget
from strata_stores.channels.webhook import WebhookNotifier
from strata_stores.clock import ShiftedClock, SystemClock
from strata_stores.null.notifier import NullNotifier

SECRET = b"s" * 24
MESSAGE = Message("msg_1", "alert.fired", b'{"alert":"\xe2\x98\x83"}')
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def notifier() -> WebhookNotifier:
    return WebhookNotifier(SystemClock(), allowed_networks=LOOPBACK, connect_timeout_s=1.0, timeout_s=1.5)


def send(notifier: Notifier, url: str, message: Message = MESSAGE) -> Delivery:
    return notifier.deliver(WebhookTarget(url, SECRET), message)


def expected_signature(message_id: str, timestamp: str, body: bytes, secret: bytes = SECRET) -> str:
    digest = hmac.new(secret, message_id.encode() + b"." + timestamp.encode() + b"." + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def test_the_signature_is_the_one_of_the_standards_own_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = expected_signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}', secret)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("kind", ["webhook", "null"])
def test_no_channel_tells_of_a_delivery_that_did_not_happen(kind: str, notifier: WebhookNotifier) -> None:
    channel: Notifier = NullNotifier() if kind == "null" else notifier
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        delivery = send(channel, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert delivery.status is not DeliveryStatus.SENT
    assert delivery.reason


def test_what_arrives_is_the_body_signed_with_id_and_time(receiver: WebhookReceiver, notifier: WebhookNotifier) -> None:
    assert send(notifier, receiver.url + "?a=b%20c") == Delivery(DeliveryStatus.SENT, "accepted", http_status=200)
    (got,) = receiver.received
    assert got.body == MESSAGE.body
    assert got.path == "/hook?a=b%20c"
    assert got.headers["webhook-id"] == "msg_1"
    assert abs(int(got.headers["webhook-timestamp"]) - SystemClock().now().timestamp()) < 60
    assert got.headers["webhook-signature"] == expected_signature("msg_1", got.headers["webhook-timestamp"], got.body)
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert SECRET.decode() not in repr(got)


def test_every_attempt_has_the_same_id_and_its_own_time(receiver: WebhookReceiver) -> None:
    clock = ShiftedClock()
    notifier = WebhookNotifier(clock, allowed_networks=LOOPBACK)
    send(notifier, receiver.url)
    clock.advance(timedelta(hours=1))
    send(notifier, receiver.url)
    first, second = (got.headers for got in receiver.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) >= 3600
    assert second["webhook-signature"] == expected_signature("msg_1", second["webhook-timestamp"], MESSAGE.body)


def test_a_messages_own_headers_travel_but_never_replace_the_signed_ones(
    receiver: WebhookReceiver, notifier: WebhookNotifier
) -> None:
    headers = {"X-Extra": "1", "Webhook-Signature": "v1,forged", "Host": "elsewhere", "Content-Type": "text/plain"}
    send(notifier, receiver.url, Message("msg_2", "test", b"x", headers))
    (got,) = receiver.received
    assert got.headers["x-extra"] == "1"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "text/plain"
    assert got.headers["webhook-signature"] == expected_signature("msg_2", got.headers["webhook-timestamp"], b"x")


@pytest.mark.parametrize(("name", "value"), [("x", "a\r\nwebhook-id: b"), ("x\r\ny", "1"), ("", "1"), ("x y", "1")])
def test_a_header_that_would_split_the_request_is_refused(
    receiver: WebhookReceiver, notifier: WebhookNotifier, name: str, value: str
) -> None:
    delivery = send(notifier, receiver.url, Message("msg_3", "test", b"x", {name: value}))
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "bad_request")
    assert not receiver.received


SENT, RETRY, FAILED, UNKNOWN = DeliveryStatus


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        *((code, SENT, "accepted") for code in (200, 201, 202, 204, 299)),
        *((code, FAILED, "http_3xx") for code in (300, 301, 302, 304, 307, 308)),
        *((code, FAILED, "http_4xx") for code in (400, 401, 403, 404, 405, 409, 410, 413, 422, 451)),
        *((code, RETRY, "http_4xx") for code in (408, 425, 429)),
        *((code, RETRY, "http_5xx") for code in (500, 501, 502, 503, 504, 599)),
        (600, FAILED, "bad_reply"),
        (999, FAILED, "bad_reply"),
    ],
)
def test_each_status_has_its_meaning(
    receiver: WebhookReceiver, notifier: WebhookNotifier, code: int, outcome: DeliveryStatus, reason: str
) -> None:
    receiver.reply = status(code)
    delivery = send(notifier, receiver.url)
    assert (delivery.status, delivery.reason, delivery.http_status) == (outcome, reason, code)


def test_redirects_are_not_followed(receiver: WebhookReceiver, notifier: WebhookNotifier) -> None:
    with receiving() as elsewhere:
        receiver.reply = status(307, location=elsewhere.url)
        assert send(notifier, receiver.url).status is FAILED
        assert elsewhere.accepted.count == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("999999999999", 86_400),
        ("soon", None),
        ("-5", None),
        ("\xbd", None),
        ("", None),
        ("1.5", None),
    ],
)
def test_retry_after_in_seconds_is_passed_on(
    receiver: WebhookReceiver, notifier: WebhookNotifier, value: str, seconds: int | None
) -> None:
    receiver.reply = status(429, retry_after=value)
    assert send(notifier, receiver.url).retry_after_s == seconds


def test_retry_after_as_a_date_is_passed_on(receiver: WebhookReceiver, notifier: WebhookNotifier) -> None:
    for ahead, expected in ((timedelta(seconds=90), 90), (timedelta(days=-1), 0), (timedelta(days=9), 86_400)):
        receiver.reply = status(503, retry_after=format_datetime(SystemClock().now() + ahead, usegmt=True))
        seconds = send(notifier, receiver.url).retry_after_s
        assert seconds is not None
        assert abs(seconds - expected) <= 2


def test_details_quote_a_bounded_printable_part_of_the_reply(
    receiver: WebhookReceiver, notifier: WebhookNotifier
) -> None:
    receiver.reply = status(400, b"\x1b[31mno\r\n<b>" + b"x" * 100_000)
    delivery = send(notifier, receiver.url)
    assert delivery.detail.startswith("answered 400: [31mno <b>xxx")
    assert len(delivery.detail) < 300
    assert delivery.detail.isprintable()


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        (silence, UNKNOWN, "timeout"),
        (trickle(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000), UNKNOWN, "timeout"),
        (reset, UNKNOWN, "reset"),
        (raw(b""), UNKNOWN, "bad_reply"),
        (raw(b"HTTP/1.1 200"), UNKNOWN, "bad_reply"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), UNKNOWN, "bad_reply"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000), UNKNOWN, "bad_reply"),
        (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut"), SENT, "accepted"),
        (raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), SENT, "accepted"),
        (raw(b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\ncut"), RETRY, "http_5xx"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n"), SENT, "accepted"),
    ],
    ids=[
        *("silence", "slow head", "reset", "nothing", "torn head", "not http", "big head"),
        *("torn body", "bad chunks", "torn error", "informational"),
    ],
)
def test_each_way_to_fail_after_the_request_is_told_and_bounded_in_time(
    receiver: WebhookReceiver, notifier: WebhookNotifier, reply: Reply, outcome: DeliveryStatus, reason: str
) -> None:
    receiver.reply = reply
    started_s = SystemClock().monotonic_s()
    delivery = send(notifier, receiver.url)
    assert (delivery.status, delivery.reason) == (outcome, reason)
    assert SystemClock().monotonic_s() - started_s < 4
    assert len(receiver.received) == 1


def test_a_body_that_trickles_or_never_ends_holds_nobody(receiver: WebhookReceiver, notifier: WebhookNotifier) -> None:
    head = b"HTTP/1.1 %d X\r\nconnection: close\r\n\r\n"

    def endless(handler: object) -> None:
        raw(head % 500)(handler)  # type: ignore[arg-type]
        while True:
            raw(b"x" * 65_536)(handler)  # type: ignore[arg-type]

    def slow(handler: object) -> None:
        raw(head % 500)(handler)  # type: ignore[arg-type]
        trickle(b"x" * 1000)(handler)  # type: ignore[arg-type]

    for reply in (endless, slow):
        receiver.reply = reply
        started_s = SystemClock().monotonic_s()
        delivery = send(notifier, receiver.url)
        assert (delivery.status, delivery.http_status) == (RETRY, 500)
        assert SystemClock().monotonic_s() - started_s < 4


def test_who_is_not_there_can_be_tried_again(notifier: WebhookNotifier) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        delivery = send(notifier, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert (delivery.status, delivery.reason) == (RETRY, "connect_failed")


def test_details_never_show_the_url_or_the_secret(notifier: WebhookNotifier) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/T000/token", "http://10.0.0.1/token", "http://u:token@127.0.0.1/"):
            delivery = send(notifier, url)
            assert "token" not in repr(delivery)
            assert SECRET.decode() not in repr(delivery)
    assert SECRET.decode() not in repr(WebhookTarget("http://x", SECRET))
