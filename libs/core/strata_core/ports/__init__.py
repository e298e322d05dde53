"""What the core needs from outside: one Protocol a file, written as a contract, one suite each in tests/contract."""
