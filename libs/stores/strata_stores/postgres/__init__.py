"""PostgreSQL: roles, migrations, engines and units of work."""
