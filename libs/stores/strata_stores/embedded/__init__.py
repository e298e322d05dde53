"""PostgreSQL and Valkey as supervised child processes, out of their wheels, in one data directory with one owner."""
