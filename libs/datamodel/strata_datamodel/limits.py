"""Every limit by name. A limit reached is told to the user under its name."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# HTTP
API_BODY_BYTES: Final = 1 * MIB
INGEST_COMPRESSED_BYTES: Final = 16 * MIB
INGEST_BODY_BYTES: Final = 64 * MIB
DECOMPRESSION_RATIO: Final = 200  # a repetitive but honest body stays under this; a bomb reaches 1000
DECOMPRESSION_RATIO_FLOOR_BYTES: Final = 1 * MIB  # below this size the ratio is not looked at
REQUEST_TIMEOUT_S: Final = 30.0
BODY_TIMEOUT_S: Final = 30.0
REQUESTS_AT_ONCE: Final = 16  # of an organization, in a process
SLOW_READS_AT_ONCE: Final = 8  # of those, questions to the stores of metrics, logs and search
REQUESTS_AT_ONCE_OF_ORGANIZATIONS: Final = 40
OWN_REQUESTS_AT_ONCE: Final = 8  # of a person, or of an organization's keys, outside organizations
REQUESTS_AT_ONCE_OF_PEOPLE: Final = 16
SIGN_INS_AT_ONCE: Final = 16  # more than PASSWORD_HASHES_WAITING: links and pages need no password
RECOGNITIONS_AT_ONCE: Final = 8
API_THREADS: Final = 96  # more than all of these together: probes and figures take one without asking
PLACE_WAIT_S: Final = 2.0
PLACE_WAITING: Final = 128  # of one owner; a request past these is refused at once
JSON_DEPTH: Final = 32
PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 500
IDEMPOTENCY_KEY_LENGTH: Final = 255
IDEMPOTENCY_HOURS: Final = 24

# Metrics
LINE_BYTES: Final = 64 * KIB
LINES_PER_REQUEST: Final = 100_000
TAGS_PER_SERIES: Final = 64
FIELDS_PER_LINE: Final = 256
NAME_BYTES: Final = 256
TAG_VALUE_BYTES: Final = 1024
STRING_FIELD_BYTES: Final = 16 * KIB
FUTURE_SECONDS: Final = 10 * 60
QUERY_SERIES: Final = 1_000
QUERY_POINTS: Final = 500_000
QUERY_TIMEOUT_S: Final = 20.0
QUERY_FILTERS: Final = 32
QUERY_GROUP_TAGS: Final = 16
REGEX_LENGTH: Final = 256

# Logs
LOG_DOCUMENT_BYTES: Final = 1 * MIB
LOG_DOCUMENTS_PER_REQUEST: Final = 50_000
LOG_MESSAGE_BYTES: Final = 256 * KIB
LOG_KEYWORD_BYTES: Final = 8_191
LOG_TAGS: Final = 64
LOG_METADATA_BYTES: Final = 64 * KIB
LOG_PAST_DAYS: Final = 7
LOG_SEARCH_LIMIT: Final = 1_000
LOG_QUERY_LENGTH: Final = 4_096
LOG_QUERY_CLAUSES: Final = 64
LOG_QUERY_DEPTH: Final = 16
LOG_TOTAL_COUNTED: Final = 10_000
LOG_PAGE_BYTES: Final = 16 * MIB  # a page of logs ends early at this size
LOG_ATTRIBUTES: Final = 1_024  # an event's values of tags and metadata past this many are kept, but not found
LOG_SEARCH_PAST_HOURS: Final = 24  # how far a search reaches back that does not say

# Entities
NAME_LENGTH: Final = 200
SLUG_LENGTH: Final = 63
URL_LENGTH: Final = 2_048
METADATA_BYTES: Final = 16 * KIB
RULES_PER_ORGANIZATION: Final = 5_000
WEBHOOKS_PER_ORGANIZATION: Final = 100
API_KEYS_PER_ORGANIZATION: Final = 200

# Access
EMAIL_LENGTH: Final = 254
PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 1_024
PASSWORD_HASHES_AT_ONCE: Final = 2  # each takes some 46 MiB for tens of milliseconds
PASSWORD_HASHES_WAITING: Final = 8  # each holds a thread of the API: a flood must not take them all
PASSWORD_TIMEOUT_S: Final = 10.0
SESSION_IDLE_HOURS: Final = 24
SESSION_HOURS: Final = 7 * 24
SCOPES_PER_KEY: Final = 50
NETWORKS_PER_KEY: Final = 50
NETWORK_LENGTH: Final = 64
KEY_OVERLAP_HOURS_MAX: Final = 7 * 24
USER_AGENT_LENGTH: Final = 256

# Sign-in
ATTEMPT_WINDOW_MINUTES: Final = 15
SIGN_INS_PER_ACCOUNT_AND_ADDRESS: Final = 10  # failures within the window, as all of these
SIGN_INS_PER_ACCOUNT: Final = 100
SIGN_INS_PER_ADDRESS: Final = 100
SECOND_FACTOR_ATTEMPTS: Final = 10
PASSWORD_RESETS_PER_ACCOUNT: Final = 3
PASSWORD_RESETS_PER_ADDRESS: Final = 30
INVITATION_LINKS_PER_ADDRESS: Final = 30  # that led nowhere
TICKET_MINUTES: Final = 5
TICKET_ATTEMPTS: Final = 5
PASSWORD_RESET_MINUTES: Final = 60
CONFIRMATION_MINUTES: Final = 15  # how long after proving who they are people may change how they sign in
RECOVERY_CODES: Final = 10
PASSKEYS_PER_PERSON: Final = 20

# Alerting
RULE_INTERVAL_SECONDS_MIN: Final = 1
RULE_INTERVAL_SECONDS_MAX: Final = 86_400
RULE_WINDOW_SECONDS: Final = 7 * 86_400
RULE_WINDOW_IN_INTERVALS: Final = 1_440  # a day, looked at each minute: what is asked often must be about little
RULE_FOR_SECONDS: Final = 7 * 86_400
RULE_LABELS: Final = 32
RULES_PER_PASS: Final = 500
NOTIFICATIONS_PER_PASS: Final = 16
NOTIFICATION_ATTEMPTS: Final = 12
NOTIFICATION_DEADLINE_SECONDS: Final = 60
NOTIFICATIONS_KEPT_DAYS: Final = 90  # after they ended; the database refuses to delete younger ones

# Promises in flight
OUTBOX_ERROR_LENGTH: Final = 1_000
DEAD_LETTER_BYTES: Final = 4 * MIB

# Ingest
POINTS_PER_REQUEST: Final = 1_000_000
REPORTED_REJECTIONS: Final = 100
INGEST_IN_FLIGHT_BYTES: Final = 256 * MIB

# Metric stores
QUERY_FILTER_VALUES: Final = 1_000
QUERY_RAW_POINTS: Final = 2_000_000  # points one question may fetch one by one, where the store cannot fold them itself

FIELDS_PER_MEASUREMENT: Final = 256  # shown in the catalogue
SERIES_LOOKED_AT: Final = 200  # of a field, for its classes and tags in the catalogue

# Inventory
HOSTS_PER_ORGANIZATION: Final = 50_000
SERVICES_PER_ORGANIZATION: Final = 100_000
DEPENDENCIES_PER_SERVICE: Final = 200
TAGS_PER_ENTITY: Final = 64
TAG_LENGTH: Final = 256
SERIES_PER_REGISTRATION: Final = 10_000

# Roles, teams and service accounts
ROLES_PER_ORGANIZATION: Final = 200
ROLE_DEPTH: Final = 8  # roles on the way from one to its last ancestor, itself and a built-in one counted
PERMISSIONS_PER_ROLE: Final = 200
LABELS_PER_SCOPE: Final = 8
TEAMS_PER_ORGANIZATION: Final = 500
MEMBERS_PER_TEAM: Final = 500
SERVICE_ACCOUNTS_PER_ORGANIZATION: Final = 500
ROLES_PER_SUBJECT: Final = 50
DESCRIPTION_LENGTH: Final = 1_000

# Dashboards
DASHBOARDS_PER_ORGANIZATION: Final = 2_000
DASHBOARD_BYTES: Final = 960 * KIB  # as kept; less than a request may have, so that what is read can be sent back
DASHBOARD_VERSIONS: Final = 100  # kept of each, the newest
DASHBOARD_TAGS: Final = 50
DASHBOARD_LABELS: Final = 32
DASHBOARD_VARIABLES: Final = 100
DASHBOARD_ANNOTATIONS: Final = 50
DASHBOARD_CHANGES_SHOWN: Final = 1_000
PANELS_PER_DASHBOARD: Final = 500
QUERIES_PER_PANEL: Final = 26
OPTIONS_PER_VARIABLE: Final = 1_000
PANEL_DATA_POINTS: Final = 11_000  # that a series of a panel may have
PANEL_DATA_POINTS_DEFAULT: Final = 1_000

# Quotas
QUOTA_MAX: Final = 10**12
ADDRESS_REQUESTS_PER_SECOND: Final = 5_000

# Audit
AUDIT_ROWS_PER_SEAL: Final = 500
AUDIT_ROWS_PER_VERIFY: Final = 1_000
AUDIT_EXPORT_ROWS: Final = 100_000
AUDIT_EXPORT_PAGE: Final = 500
AUDIT_TEXT_LENGTH: Final = 200
ACCESS_LOG_DAYS: Final = 90  # kept so long where an organization's settings do not say
ACCESS_LOG_DAYS_MAX: Final = 3_650
SECURITY_EVENT_DAYS: Final = 365  # that a person can look up what happened to their account
ACCESS_LOG_QUEUED: Final = 10_000
ACCESS_LOG_PER_WRITE: Final = 500
RESEALED_PER_PASS: Final = 200

# People
MEMBERS_PER_ORGANIZATION: Final = 5_000
OPEN_INVITATIONS_PER_ORGANIZATION: Final = 500
INVITATION_DAYS: Final = 7
INVITATION_MAILS: Final = 10  # resends counted: nobody's mailbox is filled by an organization they do not know
INVITATION_MAIL_PAUSE_SECONDS: Final = 60
EMAIL_CHANGE_HOURS: Final = 24
EMAIL_CHANGES_PER_DAY: Final = 5
SETTINGS_LABELS: Final = 32
LEGACY_LINE_BYTES: Final = 256 * KIB
LEGACY_COLUMNS: Final = 200

# Mail
MAILS_PER_PASS: Final = 16
MAIL_DEADLINE_SECONDS: Final = 120
MAIL_KEPT_DAYS: Final = 30
MAIL_FILES: Final = 1_000

# Sagas
SAGA_STEPS: Final = 64
SAGA_DOCUMENT_BYTES: Final = 256 * KIB  # of an input, an intent or an output
SAGA_REASON_LENGTH: Final = 1_000
SAGAS_AT_ONCE_PER_ORGANIZATION: Final = 4

# Making organizations by oneself
ORGANIZATIONS_PER_PERSON: Final = 10  # that somebody owns

# Deletion and erasure
DELETION_GRACE_HOURS_MAX: Final = 30 * 24
RECEIPT_BYTES: Final = 1 * MIB
ERASURE_IDENTIFIERS: Final = 20
ERASURE_IDENTIFIER_LENGTH_MIN: Final = 3  # whatever holds it is deleted: a shorter one is in too much
ERASURE_REASON_LENGTH: Final = 500
SPOOLS_WAITED_FOR: Final = 10_000
SPOOLS_NAMED: Final = 100  # in a receipt: those that nothing was heard of

# Search of entities
SEARCH_LIMIT: Final = 200
SEARCH_RECENT_SECONDS: Final = 30  # rows changed so lately are looked at themselves, whatever the index says
SEARCH_RECENT_ROWS: Final = 500
PROJECTIONS_PER_PASS: Final = 500
REINDEXED_PER_CALL: Final = 5_000
COMPARED_AT_ONCE: Final = 1_000
SUMMED_AT_ONCE: Final = 50_000  # rows that one statement makes checksums of
DIVERGENCES_PER_PASS: Final = 10_000  # how many of an organization are looked at; those beyond wait for the next pass
REPAIRS_PER_PASS: Final = 200  # of an organization, each asking for one projection

# Newest values of a host
LATEST_METRICS: Final = 500

# Server metrics in rows
SERVER_METRICS_TAKEN_DAYS: Final = 30  # older rows are refused
SERVER_METRICS_KEPT_DAYS: Final = 35  # a week goes when all of it is older
SERVER_METRICS_HOURS_KEPT_DAYS: Final = 90
SERVER_METRICS_DAYS_KEPT_DAYS: Final = 730
SERVER_METRICS_PER_UNIT: Final = 5_000
SERVER_HOURS_PER_PASS: Final = 500
ERROR_LOG_MESSAGE_LENGTH: Final = 2_000

# OpenTelemetry
OTLP_ITEMS_PER_REQUEST: Final = 250_000  # resources, scopes, metrics and data points, all counted together
OTLP_ATTRIBUTES_BYTES: Final = MIB  # of one resource, scope or data point
OTLP_PACKED_BYTES: Final = 64 * KIB  # of one field with many numbers
OTLP_JSON_OBJECTS_PER_REQUEST: Final = 1_000_000
OTLP_JSON_VALUES_PER_REQUEST: Final = 4_000_000
ATTRIBUTE_DEPTH: Final = 16
BUCKETS_PER_HISTOGRAM: Final = 1_000

# Prometheus remote write
SERIES_PER_REQUEST: Final = 100_000
SYMBOLS_PER_REQUEST: Final = 1_000_000
PROTOBUF_FIELDS_PER_REQUEST: Final = 4_000_000  # that are read one by one: those that are plain are not

# PromQL
PROMQL_LENGTH: Final = 16 * KIB
PROMQL_DEPTH: Final = 64
PROMQL_SELECTORS: Final = 64  # in one query
PROMQL_STEPS: Final = 11_000  # as Prometheus has it
PROMQL_SERIES: Final = 20_000  # that one selector finds
PROMQL_SAMPLES: Final = 5_000_000  # that one query reads
PROMQL_VALUES: Final = 3_000_000  # series times steps, of any part of a query
PROMQL_TIMEOUT_S: Final = 20.0
PROMQL_LISTED: Final = 50_000  # series, labels or values in one answer

# InfluxQL
INFLUXQL_LENGTH: Final = 64 * KIB  # of a query, all its statements together
INFLUXQL_STATEMENTS: Final = 100
INFLUXQL_DEPTH: Final = 64  # brackets in brackets
INFLUXQL_OPERATORS: Final = 250  # of a statement
INFLUXQL_SUBQUERIES: Final = 8  # in each other
INFLUXQL_COLUMNS: Final = 1_000
INFLUXQL_SERIES: Final = 20_000  # of which points may be read for a statement, counted with all their fields
QUERIES_AT_ONCE: Final = 20  # named, in one request
EXPRESSIONS_AT_ONCE: Final = 20
EXPRESSION_LENGTH: Final = 512
EXPRESSION_OPERATORS: Final = 100
EXPRESSION_DEPTH: Final = 32
QUERY_COMPARISONS: Final = 4  # with earlier ranges

SLICE_ROWS: Final = 500_000
"""Points, or windows, of an organization that are read at once to be moved into another cell."""
