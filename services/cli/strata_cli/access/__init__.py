"""Roles, teams, service accounts and members at the command line, by the same commands as the API's."""
