"""What the rotation of keys asks of a secret box, and nobody else does."""

from typing import Protocol

from strata_core.ports.secret_box import SecretBox
from strata_datamodel.ids import OrganizationId


class RotatingSecretBox(SecretBox, Protocol):
    def rotate(self, organization_id: OrganizationId) -> int:
        """A new data key for what is sealed from now on; its version. Other processes notice it within their caching
        time; what was sealed stays readable."""
        ...

    def rewrap(self, organization_id: OrganizationId) -> int:
        """Wraps the organization's keys that another wrapping key wraps under the current one; how many. Raises
        DeniedError (code `secret_unreadable`) when the key that wraps one is not among those given."""
        ...
