"""A mail as the bytes that travel (RFC 5322)."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from strata_core.ports.mailer import Mail


def composed(mail: Mail, sender: str) -> EmailMessage:
    """Headers of machines' mail, so that no holiday notice answers. The same bytes at every attempt."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.written_at)
    message["Message-ID"] = f"<{mail.mail_id}@{domain_of(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(mail.text, charset="utf-8")
    return message


def domain_of(sender: str) -> str:
    return sender.rpartition("@")[2].rstrip(">").strip() or "strata.invalid"
