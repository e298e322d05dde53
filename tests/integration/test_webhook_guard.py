"""Where a tenant's URL may not lead. A canary listens on loopback and must see nothing."""

import threading
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from fakes.certificates import make_certificates
from fakes.webhook_receiver import WebhookReceiver, receiving
from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, WebhookTarget
from strata_stores.channels.addresses import is_allowed
from strata_stores.channels.webhook import WebhookNotifier
from strata_stores.clock import SystemClock

MESSAGE = Message("msg_1", "alert.fired", b"{}")
PUBLIC = "93.184.215.14"
NOT_GLOBAL = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.0.9"),
    *("168.63.129.16", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::"),
    *("2001:0:53aa:64c:0:7e57:80ff:fffe", "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1", "100::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "4000::1", "not an address"),
]


@pytest.fixture
def canary() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


def guarded(**options: object) -> WebhookNotifier:
    """As in production, but that any port will do: nothing may hang on the port alone."""
    options = {"allowed_ports": range(65_536), "connect_timeout_s": 1.0, "timeout_s": 2.0} | options
    return WebhookNotifier(SystemClock(), **options)  # type: ignore[arg-type]


def send(notifier: WebhookNotifier, url: str) -> Delivery:
    return notifier.deliver(WebhookTarget(url, b"s" * 24), MESSAGE)


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_addresses_that_are_not_global_are_refused(address: str) -> None:
    assert not is_allowed(address, 443, allowed=(), ports={443})


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e", "::ffff:8.8.8.8"]
)
def test_global_addresses_are_allowed_on_allowed_ports_only(address: str) -> None:
    assert is_allowed(address, 443, allowed=(), ports={443})
    assert not is_allowed(address, 22, allowed=(), ports={443})


def test_the_operators_networks_are_allowed_and_only_those() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00:1::5"):
        assert is_allowed(address, 9_000, allowed=allowed, ports={443})
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::5", "::10.1.2.3"):
        assert not is_allowed(address, 443, allowed=allowed, ports={443})


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "017700000001", "0", "0.0.0.0"),
        *("localhost", "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]"),
        *(
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "\uff11\uff12\uff17.0.0.1",
            "127\u30020\u30020\u30021",
        ),
    ],
)
def test_no_spelling_of_loopback_reaches_the_canary(canary: WebhookReceiver, host: str) -> None:
    delivery = send(guarded(), f"http://{host}:{canary.port}/")
    assert delivery.status in {DeliveryStatus.FAILED, DeliveryStatus.RETRY}
    assert delivery.reason in {"refused_address", "refused_url", "unresolved"}
    assert canary.accepted.count == 0


def test_loopback_is_refused_for_good(canary: WebhookReceiver) -> None:
    delivery = send(guarded(), f"http://localhost:{canary.port}/")
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "refused_address")
    assert "127.0.0.1" not in delivery.detail, "what a name leads to inside is nothing a tenant should learn"


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "file:///etc/passwd", "unix:///run/x.sock"),
        *("ws://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "127.0.0.1:{port}", "", "http://", "http:///x"),
        *("http://user:pass@127.0.0.1:{port}/", "http://example.com@127.0.0.1:{port}/", "http://[::1/", "http://:80/"),
        *("http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://exa mple/", "http://\0/", "http://" + "a" * 3_000),
    ],
)
def test_urls_of_other_kinds_are_refused(canary: WebhookReceiver, url: str) -> None:
    allowed = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    delivery = send(guarded(allowed_networks=allowed), url.replace("{port}", str(canary.port)))
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "refused_url")
    assert canary.accepted.count == 0


def test_one_bad_answer_among_good_ones_refuses_them_all(canary: WebhookReceiver) -> None:
    for answers in ([PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"], [PUBLIC, "::ffff:127.0.0.1"]):
        notifier = guarded(resolve=lambda host, port, answers=answers: answers)
        assert send(notifier, f"http://hooks.test:{canary.port}/").reason == "refused_address"
    assert canary.accepted.count == 0


def test_a_name_is_resolved_once_so_that_it_cannot_be_rebound(canary: WebhookReceiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    notifier = guarded(resolve=rebinding, allowed_networks=(ip_network("127.0.0.2/32"),))
    assert send(notifier, f"http://hooks.test:{canary.port}/").reason == "connect_failed"
    assert asked == ["hooks.test"]
    assert canary.accepted.count == 0


def test_a_look_up_that_fails_or_hangs_can_be_tried_again() -> None:
    released = threading.Event()

    def hanging(host: str, port: int) -> Sequence[str]:
        released.wait(10)
        return [PUBLIC]

    def failing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    started_s = SystemClock().monotonic_s()
    for resolve in (hanging, failing, lambda host, port: []):
        delivery = send(guarded(resolve=resolve, timeout_s=0.3), "http://hooks.test/")
        assert (delivery.status, delivery.reason) == (DeliveryStatus.RETRY, "unresolved")
    assert SystemClock().monotonic_s() - started_s < 3
    released.set()


def test_proxies_of_the_environment_are_not_used(canary: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with receiving() as receiver:
        delivery = send(guarded(allowed_networks=(ip_network("127.0.0.0/8"),)), receiver.url)
        assert delivery.status is DeliveryStatus.SENT
        assert len(receiver.received) == 1
    assert canary.accepted.count == 0


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with receiving() as receiver:
        notifier = guarded(
            resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"], allowed_networks=(ip_network("127.0.0.0/8"),)
        )
        assert send(notifier, f"http://hooks.test:{receiver.port}/").status is DeliveryStatus.SENT
        assert receiver.received[0].headers["host"] == f"hooks.test:{receiver.port}"


def test_over_tls_the_checked_address_is_used_with_the_names_certificate(tmp_path: Path) -> None:
    ca_file, context = make_certificates(tmp_path, "hooks.test")
    asked_for: list[str | None] = []
    context.sni_callback = lambda connection, name, _: asked_for.append(name)
    options = {"resolve": lambda host, port: ["127.0.0.1"], "allowed_networks": (ip_network("127.0.0.0/8"),)}
    with receiving(tls=context) as receiver:
        trusting = guarded(ca_file=ca_file, **options)
        assert send(trusting, f"https://hooks.test:{receiver.port}/x").status is DeliveryStatus.SENT
        assert asked_for == ["hooks.test"]
        assert receiver.received[0].headers["host"] == f"hooks.test:{receiver.port}"
        for notifier, host in ((trusting, "other.test"), (guarded(**options), "hooks.test")):
            delivery = send(notifier, f"https://{host}:{receiver.port}/x")
            assert (delivery.status, delivery.reason) == (DeliveryStatus.RETRY, "tls_failed")
        assert len(receiver.received) == 1
