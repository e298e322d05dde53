"""Whatever sends mails: the whole mail arrives under one id, failures are told apart, and no secret is told."""

import email
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.policy import default
from pathlib import Path

import pytest

from fakes.certificates import make_certificates
from fakes.manual_clock import ManualClock
from fakes.smtp_server import Behaviour, SmtpServer
from strata_core.ports.mailer import Mail, Mailer
from strata_core.ports.notifier import DeliveryStatus
from strata_datamodel.errors import InvalidError
from strata_stores.breaker import Breaker, BreakerState
from strata_stores.channels.mail import SmtpMailer
from strata_stores.channels.smtp_url import smtp_server
from strata_stores.clock import SystemClock
from strata_stores.null.mailer import MailDirectory

SENDER = "Strata <strata@sender.test>"
LINK = "https://strata.test/invitations/accept#token=very-secret-token"
MAIL = Mail(
    "0198-abc", "ada@receiver.test", "Grüße für Ada", f"Line one\n.\n..dots\n{LINK}\n", datetime(2026, 3, 1, tzinfo=UTC)
)


@dataclass
class Subject:
    mailer: Mailer
    arrived: Callable[[], list[bytes]]


@pytest.fixture(params=["smtp", "directory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "directory":
        folder = tmp_path / "mail"
        yield Subject(
            MailDirectory(folder, SENDER), lambda: [path.read_bytes() for path in sorted(folder.glob("*.eml"))]
        )
        return
    with SmtpServer() as server:
        yield Subject(mailer_to(server), lambda: [mail.content for mail in server.received])


def mailer_to(
    server: SmtpServer, *, user: str = "", scheme: str = "smtp", host: str = "127.0.0.1", **options
) -> SmtpMailer:
    target = smtp_server(f"{scheme}://{user}{host}:{server.port}")
    return SmtpMailer(target, SENDER, SystemClock(), **options)


def read(content: bytes):
    return email.message_from_bytes(content, policy=default)


def test_the_whole_mail_arrives(subject):
    assert subject.mailer.send(MAIL).status is DeliveryStatus.SENT
    (content,) = subject.arrived()
    message = read(content)
    assert (message["to"], message["from"], message["subject"]) == (MAIL.to, SENDER, MAIL.subject)
    assert message["auto-submitted"] == "auto-generated"
    assert message["date"].datetime == MAIL.written_at
    assert message.get_content().replace("\r\n", "\n") == MAIL.text


def test_every_attempt_has_the_same_message_id_and_the_same_bytes(subject):
    for _ in range(2):
        assert subject.mailer.send(MAIL).status is DeliveryStatus.SENT
    arrived = subject.arrived()
    assert len(set(arrived)) == 1
    assert read(arrived[0])["message-id"] == "<0198-abc@sender.test>"


def test_nothing_of_the_text_is_told(subject, capsys):
    delivery = subject.mailer.send(MAIL)
    assert "very-secret-token" not in repr(delivery) + repr(MAIL) + "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        (Behaviour(replies={"RCPT": "550 no such mailbox"}), DeliveryStatus.FAILED, "smtp_5xx"),
        (Behaviour(replies={"RCPT": "450 greylisted"}), DeliveryStatus.RETRY, "smtp_4xx"),
        (Behaviour(replies={"MAIL": "530 go away"}), DeliveryStatus.FAILED, "smtp_5xx"),
        (Behaviour(replies={"DATA": "451 later"}), DeliveryStatus.RETRY, "smtp_4xx"),
        (Behaviour(replies={"DATA-END": "554 looks like spam"}), DeliveryStatus.FAILED, "smtp_5xx"),
        (Behaviour(replies={"DATA-END": "452 disk full"}), DeliveryStatus.RETRY, "smtp_4xx"),
        (Behaviour(replies={"CONNECT": "421 busy"}), DeliveryStatus.RETRY, "unavailable"),
        (Behaviour(drop_at="EHLO"), DeliveryStatus.RETRY, "unavailable"),
        (Behaviour(drop_at="RCPT"), DeliveryStatus.RETRY, "unavailable"),
        (Behaviour(drop_at="DATA-END"), DeliveryStatus.UNKNOWN, "reset"),
        (Behaviour(drop_at="QUIT"), DeliveryStatus.SENT, "accepted"),
    ],
)
def test_what_a_server_says_decides_what_is_done(behaviour, status, reason):
    with SmtpServer(behaviour) as server:
        delivery = mailer_to(server).send(MAIL)
    assert (delivery.status, delivery.reason) == (status, reason), delivery
    assert len(delivery.detail) <= 250


@pytest.mark.parametrize(
    ("verb", "status"),
    [("CONNECT", DeliveryStatus.RETRY), ("MAIL", DeliveryStatus.RETRY), ("DATA-END", DeliveryStatus.UNKNOWN)],
)
def test_a_silent_server_is_left_in_time(verb, status):
    clock = SystemClock()
    began_s = clock.monotonic_s()
    with SmtpServer(Behaviour(hang_at=verb)) as server:
        delivery = mailer_to(server, connect_timeout_s=0.3, timeout_s=0.5).send(MAIL)
        took_s = clock.monotonic_s() - began_s
    assert delivery.status is status
    assert took_s < 3


def test_a_server_that_is_not_there_opens_the_breaker():
    clock = ManualClock()
    breaker = Breaker("mail", clock, failures_to_open=2)
    with SmtpServer() as server:
        target = smtp_server(f"smtp://127.0.0.1:{server.port}")
    mailer = SmtpMailer(target, SENDER, clock, breaker=breaker)
    assert {mailer.send(MAIL).status for _ in range(3)} == {DeliveryStatus.RETRY}
    assert breaker.state is BreakerState.OPEN
    assert breaker.refused_total == 1


def test_an_address_beyond_ascii_needs_a_server_that_takes_it():
    mail = Mail("1", "jürgen@receiver.test", "s", "t", MAIL.written_at)
    with SmtpServer() as server:
        assert mailer_to(server).send(mail).status is DeliveryStatus.SENT
        assert server.received[0].recipients == ["jürgen@receiver.test"]
    with SmtpServer(Behaviour(offers=())) as server:
        delivery = mailer_to(server).send(mail)
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, "no_smtputf8")


@dataclass
class Certificate:
    ca_file: Path
    context: ssl.SSLContext


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(*make_certificates(tmp_path, "localhost"))


def test_tls_is_turned_on_before_the_password_is_said(certificate):
    context = certificate.context
    with SmtpServer(Behaviour(credentials=("user@x", "pa:ss")), tls=context) as server:
        mailer = mailer_to(server, user="user%40x:pa%3Ass@", host="localhost", ca_file=certificate.ca_file)
        assert mailer.send(MAIL).status is DeliveryStatus.SENT
    assert server.commands.index("STARTTLS") < server.commands.index("AUTH")
    assert (server.received[0].was_encrypted, server.received[0].user) == (True, "user@x")


def test_tls_from_the_first_byte(certificate):
    with SmtpServer(tls=certificate.context, implicit=True) as server:
        mailer = mailer_to(server, scheme="smtps", host="localhost", ca_file=certificate.ca_file)
        assert mailer.send(MAIL).status is DeliveryStatus.SENT
    assert server.received[0].was_encrypted


def test_a_server_nobody_vouches_for_gets_no_mail(certificate):
    with SmtpServer(tls=certificate.context, implicit=True) as server:
        delivery = mailer_to(server, scheme="smtps", host="localhost").send(MAIL)
    assert delivery.status is DeliveryStatus.RETRY
    assert "TLS" in delivery.detail
    assert server.received == []


def test_wrong_credentials_wait_for_the_operator_and_are_not_told():
    with SmtpServer(Behaviour(credentials=("u", "right"))) as server:
        delivery = mailer_to(server, user="u:wrong-password@").send(MAIL)
    assert (delivery.status, delivery.reason) == (DeliveryStatus.RETRY, "sign_in_refused")
    assert "wrong-password" not in repr(delivery)


@pytest.mark.parametrize(
    ("url", "needs"),
    [
        ("smtp://mail.test", True),
        ("smtp://mail.test?starttls=never", False),
        ("smtp://localhost:25", False),
        ("smtps://mail.test", False),
    ],
)
def test_plain_text_is_a_choice(url, needs):
    assert smtp_server(url).needs_starttls is needs


def test_a_server_without_tls_is_refused_unless_plain_text_was_allowed():
    with SmtpServer() as server:
        strict = SmtpMailer(
            smtp_server(f"smtp://127.1:{server.port}"), SENDER, SystemClock()
        )  # another spelling of this machine, which is not among those excepted
        assert strict.send(MAIL).status is DeliveryStatus.RETRY
        assert "MAIL" not in server.commands
        relaxed = SmtpMailer(smtp_server(f"smtp://127.1:{server.port}?starttls=never"), SENDER, SystemClock())
        assert relaxed.send(MAIL).status is DeliveryStatus.SENT


@pytest.mark.parametrize(
    "url", ["", "mail.test", "http://mail.test", "smtp://", "smtp://h:99999", "smtp://h?starttls=yes", "smtp://h?x=1"]
)
def test_a_bad_url_is_refused_without_being_repeated(url):
    with pytest.raises(InvalidError) as raised:
        smtp_server(url.replace("://", "://u:hunter2@"))
    assert "hunter2" not in repr((raised.value.detail, raised.value.hint))


def test_kept_mails_are_private_and_bounded(tmp_path):
    folder = tmp_path / "deep" / "mail"
    mailer = MailDirectory(folder, SENDER, kept=3)
    for number in range(5):
        mailer.send(Mail(f"{number}", MAIL.to, "s", "t", MAIL.written_at))
    assert sorted(path.name for path in folder.iterdir()) == ["2.eml", "3.eml", "4.eml"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_written_is_tried_again(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    assert MailDirectory(blocked / "mail", SENDER).send(MAIL).status is DeliveryStatus.RETRY
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
