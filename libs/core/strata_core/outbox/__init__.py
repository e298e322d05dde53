"""What must happen after a write is a row written with it."""
