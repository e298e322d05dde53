"""Password hashing in few threads."""
