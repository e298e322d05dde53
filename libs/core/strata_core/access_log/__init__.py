"""Who read personal data, audit rows, metrics and logs, from which address, and why that is kept."""
