"""For how long an organization has each tier of its metrics."""
