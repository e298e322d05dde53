"""The ingest spool: an append log of our own in one directory, owned by one process."""
