"""People and what they say of themselves, apart from any organization; and those of older systems."""
