"""Ways out to people and programs: each sends one message, once, and says how it went."""
