"""Mail through an SMTP server (RFC 5321), over TLS unless the operator says otherwise."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Final

from strata_core.mail.composing import composed, domain_of
from strata_core.ports.clock import Clock
from strata_core.ports.mailer import Mail
from strata_core.ports.notifier import Delivery, DeliveryStatus
from strata_datamodel.errors import StoreUnavailableError
from strata_stores.breaker import Breaker
from strata_stores.channels.smtp_url import SmtpServer

STORE: Final = "mail"
_DETAIL_LENGTH: Final = 200


class SmtpMailer:
    """A connection serves one mail. `timeout_s` bounds the whole exchange: a server that trickles cannot outlast it."""

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        clock: Clock,
        *,
        ca_file: Path | None = None,
        connect_timeout_s: float = 10.0,
        timeout_s: float = 30.0,
        breaker: Breaker | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._breaker = breaker or Breaker(STORE, clock)
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)

    def send(self, mail: Mail) -> Delivery:
        message = composed(mail, self._sender)
        try:
            with self._breaker.guard():
                return self._exchange(mail, message)
        except StoreUnavailableError as error:
            return Delivery(DeliveryStatus.RETRY, "unavailable", error.detail, retry_after_s=error.retry_after_s)

    def _exchange(self, mail: Mail, message: EmailMessage) -> Delivery:
        is_handed_over = False
        try:
            with self._connection() as smtp:
                refusal = self._envelope(smtp, mail)
                if refusal is not None:
                    return refusal
                content = message.as_bytes(policy=message.policy if mail.to.isascii() else SMTPUTF8)
                is_handed_over = True
                code, reply = smtp.data(content)
                return _answer(code, reply)
        except smtplib.SMTPDataError as error:
            return _answer(error.smtp_code, error.smtp_error)
        except smtplib.SMTPAuthenticationError as error:
            # The operator's mistake, not this mail's: it is put right while the mail waits.
            return Delivery(DeliveryStatus.RETRY, "sign_in_refused", _shown(error.smtp_code, error.smtp_error))
        except (smtplib.SMTPException, OSError) as error:
            if is_handed_over:
                return Delivery(DeliveryStatus.UNKNOWN, "reset", "sent, but no answer told whether it was accepted")
            raise StoreUnavailableError(STORE, _reason(error), retry_after_s=30) from error

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        name = domain_of(self._sender)
        if server.has_tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, name, timeout=self._connect_timeout_s, context=self._tls
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, name, timeout=self._connect_timeout_s)
        deadline = threading.Timer(self._timeout_s, lambda: _hang_up(smtp))
        deadline.daemon = True
        deadline.start()
        try:
            smtp.ehlo_or_helo_if_needed()
            self._secure(smtp)
            if server.username is not None and server.password is not None:
                smtp.login(server.username, server.password)
            yield smtp
            with suppress(smtplib.SMTPException, OSError):  # the mail's fate is known: a bad farewell changes nothing
                smtp.quit()
        finally:
            deadline.cancel()
            smtp.close()

    def _secure(self, smtp: smtplib.SMTP) -> None:
        if self._server.has_tls:
            return
        if smtp.has_extn("starttls"):
            smtp.starttls(context=self._tls)
            smtp.ehlo()
        elif self._server.needs_starttls:
            raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS, and plain text was not allowed")

    def _envelope(self, smtp: smtplib.SMTP, mail: Mail) -> Delivery | None:
        options: list[str] = []
        if not mail.to.isascii():
            if not smtp.has_extn("smtputf8"):
                return Delivery(DeliveryStatus.FAILED, "no_smtputf8", "the mail server takes ASCII addresses only")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        address = self._sender.rpartition("<")[2].rstrip("> ")
        for code, reply in (smtp.mail(address, options), smtp.rcpt(mail.to)):
            if code >= 400:
                return _answer(code, reply)
        return None


def _hang_up(smtp: smtplib.SMTP) -> None:
    if smtp.sock is not None:
        with suppress(OSError):
            smtp.sock.shutdown(socket.SHUT_RDWR)


def _answer(code: int, reply: bytes | str) -> Delivery:
    if 200 <= code < 300:
        return Delivery(DeliveryStatus.SENT, "accepted", _shown(code, reply))
    status = DeliveryStatus.FAILED if code >= 500 else DeliveryStatus.RETRY
    return Delivery(status, f"smtp_{code // 100}xx", _shown(code, reply))


def _shown(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return f"{code} {' '.join(''.join(sign if sign.isprintable() else ' ' for sign in text).split())}"[:_DETAIL_LENGTH]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else _shown(0, str(error))[2:]
