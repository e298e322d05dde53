"""How much an organization may do a second: set by operators, seen by members."""
