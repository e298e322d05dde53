"""What is watched: hosts, services on them, and what depends on what. People write it, and telemetry fills it."""
