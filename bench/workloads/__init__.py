"""What is sent: bodies built from counters alone, so that what must come back can be computed."""
