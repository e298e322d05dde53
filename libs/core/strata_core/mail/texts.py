"""What mails say. Parameters are plain texts; `link` is put in when the mail is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class MailKind(StrEnum):
    INVITATION = "invitation"
    EMAIL_CHANGE = "email_change"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a kind of mail
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the same
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
    RECOVERY_CODE_USED = "recovery_code_used"


@dataclass(frozen=True, slots=True)
class MailText:
    """`page` is the path that the link leads to, None for a mail without one."""

    subject: str
    body: str
    page: str | None = None


_IF_NOT_YOU: Final = (
    "If it was not you, set a new password at once, look at your sessions and second factors, and tell an administrator"
    " of your organization.\n"
)
TEXTS: Final[Mapping[MailKind, MailText]] = {
    MailKind.INVITATION: MailText(
        "Invitation to {organization} on Strata",
        "{inviter} invites you to the organization {organization} on Strata, as {role}.\n\n"
        "To accept, open this link. It works once, until {expires_at}:\n\n{link}\n\n"
        "If you do not expect this, do nothing: the link then expires by itself.\n",
        "/invitations/accept",
    ),
    MailKind.EMAIL_CHANGE: MailText(
        "Confirm your new e-mail address",
        "Somebody, most likely you, wants this to be the address of their account on Strata.\n\n"
        "To confirm, open this link while you are signed in. It works once, until {expires_at}:\n\n{link}\n\n"
        "If it was not you, do nothing: nothing changes.\n",
        "/account/email",
    ),
    MailKind.EMAIL_CHANGED: MailText(
        "Your e-mail address was changed",
        "The address of your account on Strata is now {new_email}, no longer this one.\n\n"
        "If it was not you, tell an administrator of your organization at once.\n",
    ),
    MailKind.PASSWORD_RESET: MailText(
        "Set a new password",
        "Somebody, most likely you, asked for a new password for your account on Strata.\n\n"
        "To set one, open this link. It works once, until {expires_at}:\n\n{link}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
        "/password/reset",
    ),
    MailKind.PASSWORD_CHANGED: MailText(
        "Your password was changed",
        "The password of your account on Strata was changed, and your other sessions were ended.\n\n"
        "If it was not you, ask for a new password at once and tell an administrator of your organization.\n",
    ),
    MailKind.FACTOR_ADDED: MailText(
        "You can sign in with {what}",
        "On {at}, from {where}, {what} was added to your account on Strata, and your other sessions were ended.\n\n"
        + _IF_NOT_YOU,
    ),
    MailKind.FACTOR_REMOVED: MailText(
        "You can no longer sign in with {what} that you had",
        "On {at}, from {where}, {what} was removed from your account on Strata, and your other sessions were ended.\n\n"
        + _IF_NOT_YOU,
    ),
    MailKind.RECOVERY_CODES_REPLACED: MailText(
        "You have new recovery codes",
        "On {at}, from {where}, new recovery codes were made for your account on Strata. Those before work no more.\n\n"
        + _IF_NOT_YOU,
    ),
    MailKind.RECOVERY_CODE_USED: MailText(
        "A recovery code was used",
        "On {at}, from {where}, one of your recovery codes was used for your account on Strata. It works no more.\n\n"
        + _IF_NOT_YOU,
    ),
}
