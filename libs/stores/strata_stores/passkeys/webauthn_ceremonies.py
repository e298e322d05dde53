"""WebAuthn level 2 by py_webauthn."""

import json
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from strata_core.ports.passkey_ceremonies import Answer, NewPasskey, PasskeyUse, Site
from strata_datamodel.errors import InvalidError, UnauthenticatedError
from strata_datamodel.ids import UserId

_NAME: Final = "Strata"
_CREDENTIAL_ID_BYTES: Final = 1_023  # the standard's limit
# The package checks forms here and there only: what a stranger wrote can fail in any of these ways.
_MALFORMED: Final = (WebAuthnException, UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError)


class WebauthnCeremonies:
    def registration_options(
        self, site: Site, *, user_id: UserId, email: str, challenge: bytes, known: Sequence[bytes]
    ) -> dict[str, object]:
        options = generate_registration_options(
            rp_id=site.host,
            rp_name=_NAME,
            user_id=user_id.bytes,
            user_name=email,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        written: dict[str, object] = json.loads(options_to_json(options))
        return written

    def register(self, site: Site, challenge: bytes, answer: Answer) -> NewPasskey:
        try:
            verified = verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
            )
        except _MALFORMED:
            raise _bad() from None
        if not 1 <= len(verified.credential_id) <= _CREDENTIAL_ID_BYTES:
            raise _bad()
        return NewPasskey(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            is_backed_up=verified.credential_backed_up,
        )

    def sign_in_options(
        self, site: Site, *, challenge: bytes, allowed: Sequence[bytes], needs_verification: bool
    ) -> dict[str, object]:
        wanted = UserVerificationRequirement.REQUIRED if needs_verification else UserVerificationRequirement.PREFERRED
        options = generate_authentication_options(
            rp_id=site.host,
            challenge=challenge,
            allow_credentials=_descriptors(allowed),
            user_verification=wanted,
        )
        written: dict[str, object] = json.loads(options_to_json(options))
        return written

    def credential_id(self, answer: Answer) -> bytes:
        decoded = _decoded(answer.get("id"))
        if decoded is None or not 1 <= len(decoded) <= _CREDENTIAL_ID_BYTES:
            raise _bad()
        return decoded

    def user_handle(self, answer: Answer) -> bytes | None:
        response = answer.get("response")
        return _decoded(response.get("userHandle")) if isinstance(response, dict) else None

    def use(self, site: Site, challenge: bytes, answer: Answer, *, public_key: bytes, sign_count: int) -> PasskeyUse:
        try:
            verified = verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=site.origin,
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
            )
        except _MALFORMED:
            raise UnauthenticatedError("the passkey's answer does not hold", code="passkey_refused") from None
        return PasskeyUse(
            sign_count=verified.new_sign_count,
            is_user_verified=verified.user_verified,
            is_backed_up=verified.credential_backed_up,
        )


def _descriptors(credential_ids: Sequence[bytes]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=credential_id) for credential_id in credential_ids]


def _decoded(text: object) -> bytes | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        return base64url_to_bytes(text)
    except ValueError:
        return None


def _bad() -> InvalidError:
    return InvalidError("this is not the passkey that was asked for", code="bad_passkey", hint="begin again")
