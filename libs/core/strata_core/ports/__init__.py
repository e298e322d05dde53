"""What the core needs from outside. One Protocol a file, written as a contract; one contract suite each in tests/contract."""
