"""How far each tier of metrics has got, where it has to be made again, and how long organizations have theirs."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, PrimaryKeyConstraint, Table, Text, Uuid, text

from strata_datamodel.tables import columns as c
from strata_datamodel.tables.metadata import metadata
from strata_datamodel.tiers import Tier

tier_watermarks = Table(
    "tier_watermarks",
    metadata,
    # All organizations of a cell are rolled up together: a call for each of them would cost as much as its windows.
    Column("cell", Text, nullable=False),
    Column("tier", Text, nullable=False),
    # Every window that ends by then is there. Null for raw points, which nobody rolls up.
    c.instant("through"),
    # What is older may be gone: written before the store is told to let go.
    c.instant("gone_before"),
    # For how long the store was told to keep it.
    Column("kept_s", BigInteger, nullable=True),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("cell", "tier"),
    c.one_of("tier", Tier),
)

dirty_windows = Table(
    "dirty_windows",
    metadata,
    c.organization_id(),
    c.instant("hour", nullable=False),
    # Another with each marking, never the same again: who made the hour anew knows whether it was marked meanwhile.
    Column("mark", Uuid, nullable=False, server_default=text("app.uuid_v7()")),
    # The first time since it was last made.
    c.stamped("marked_at"),
    PrimaryKeyConstraint("organization_id", "hour"),
    c.organization_reference(),
)
Index("ix_dirty_windows_marked_at", dirty_windows.c.marked_at)

tier_retentions = Table(
    "tier_retentions",
    metadata,
    c.organization_id(),
    Column("tier", Text, nullable=False),
    # Null where nobody set one.
    Column("kept_s", BigInteger, nullable=True),
    # As in tier_watermarks, for organizations that keep less than the store does.
    c.instant("gone_before"),
    c.stamped("updated_at"),
    PrimaryKeyConstraint("organization_id", "tier"),
    c.organization_reference(),
    c.one_of("tier", Tier),
    CheckConstraint("kept_s > 0", name="kept_s"),
)

metric_placements = Table(
    "metric_placements",
    metadata,
    # An organization without a row is in the cell `default`, with nothing under way.
    c.organization_id(),
    Column("cell", Text, nullable=False),
    # Written too, while the organization moves from one of them to the other.
    Column("also", Text, nullable=True),
    c.stamped("changed_at"),
    PrimaryKeyConstraint("organization_id"),
    c.organization_reference(),
    CheckConstraint("also <> cell", name="also"),
)
