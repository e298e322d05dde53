"""Pure decisions about mails: what one says, and what an attempt means for it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from strata_core.mail.links import LinkKey
from strata_core.mail.texts import TEXTS, MailKind
from strata_core.ports.mailer import Mail


def written_mail(
    mail_id: UUID,
    kind: str,
    to: str,
    parameters: Mapping[str, str],
    written_at: datetime,
    link_key: LinkKey,
    public_url: str,
) -> Mail:
    """The same at every attempt. The token stands behind `#`, which browsers do not send: it gets into no server's log
    and no Referer. A KeyError names a parameter that is missing."""
    text = TEXTS[MailKind(kind)]
    filled = dict(parameters)
    if text.page is not None:
        filled["link"] = f"{public_url.rstrip('/')}{text.page}#token={link_key.token(mail_id)}"
    return Mail(
        mail_id=str(mail_id),
        to=to,
        subject=_line(text.subject.format_map(filled)),
        text=text.body.format_map(filled),
        written_at=written_at,
    )


def _line(text: str) -> str:
    """A line break in a subject would begin another header."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
