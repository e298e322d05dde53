"""How far each spool is, written down where a doctor finds it."""
