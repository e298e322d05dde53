"""Passkeys, checked by the webauthn package."""
