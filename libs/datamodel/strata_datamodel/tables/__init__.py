"""Tables as SQLAlchemy Core sees them. Migrations make them; a test holds the two equal."""
