"""Entities as a search index holds them: projected, searched, compared with PostgreSQL and repaired."""
