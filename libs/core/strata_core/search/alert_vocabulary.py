"""What people type to search alerts: the language of log search, with the fields of alerts.

disk full                    both words, in the summary, the description or a label's value
severity:critical            also status, rule, fingerprint, acknowledged_by and labels.<key>
labels.host:web-* -status:resolved
"""

from collections.abc import Mapping
from typing import Final

from strata_core.logs.query_language import Vocabulary
from strata_datamodel.alerting import AlertStatus, Severity

_NAMES: Final = ("severity", "status", "rule_id", "fingerprint", "acknowledged_by")
_LABELS: Final = "labels."
_ALIASES: Final[Mapping[str, str]] = {"rule": "rule_id"}
_SEVERITIES: Final = {severity.value: severity.value for severity in Severity} | {"warn": Severity.WARNING.value}


def _is_field(name: str) -> bool:
    return name in _NAMES or (name.startswith(_LABELS) and len(name) > len(_LABELS))


ALERT_VOCABULARY: Final = Vocabulary(
    fields="severity, status, rule, fingerprint, acknowledged_by, text, labels.<key>",
    text="text",
    is_field=_is_field,
    aliases=_ALIASES,
    closed={"severity": _SEVERITIES, "status": {status.value: status.value for status in AlertStatus}},
)
