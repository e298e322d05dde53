"""Names that give a value away as a secret: for the log and for the audit log alike."""

from typing import Final

_PARTS: Final = ("password", "secret", "token", "credential", "private_key", "authorization", "cookie", "wrapping_key")
_NAMES: Final = frozenset({"api_key", "apikey", "passphrase", "wrapped", "pwd", "dsn"})


def is_secret_name(name: str) -> bool:
    folded = name.lower().replace("-", "_")
    return folded in _NAMES or any(part in folded for part in _PARTS)
