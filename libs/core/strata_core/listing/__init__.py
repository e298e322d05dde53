"""Lists as data: what each shows, in which order and by which filters. PostgreSQL writes the JSON of their pages."""
