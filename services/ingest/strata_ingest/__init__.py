"""Accept, validate, spool, answer; a writer drains the spool into the stores."""
