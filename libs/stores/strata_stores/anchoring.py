"""What anchors of audit chains are signed with and where they are kept, from the settings: for workers and `verify`."""

from collections.abc import Iterable

from strata_stores.archive.object_archive import ObjectArchive, open_archive
from strata_stores.breaker import Breaker
from strata_stores.secrets.keyring import WrappingKeyring
from strata_stores.secrets.signing import Ed25519AnchorSigner
from strata_stores.settings import Settings


def open_anchor_signer(
    settings: Settings, keyring: WrappingKeyring, trusted: Iterable[str] = ()
) -> Ed25519AnchorSigner:
    """With a key of its own where one is set, else with one derived from the wrapping key; never from the database."""
    if settings.audit_signing_key is not None:
        return Ed25519AnchorSigner.from_base64(settings.audit_signing_key.get_secret_value(), trusted)
    return Ed25519AnchorSigner(keyring.derive_all("audit anchors"), trusted)


def open_configured_archive(settings: Settings, breaker: Breaker) -> ObjectArchive:
    if not settings.is_embedded("archive_url"):
        return open_archive(settings.archive_url.get_secret_value(), breaker=breaker)
    folder = settings.data_dir / "archive"
    folder.mkdir(parents=True, exist_ok=True)
    return open_archive(folder.as_uri(), breaker=breaker)
