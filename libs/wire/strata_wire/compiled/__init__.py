"""Parsers in machine code. Each has a plain twin that says what it must answer."""
