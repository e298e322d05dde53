"""Where alerts are sent, and what became of each sending."""
