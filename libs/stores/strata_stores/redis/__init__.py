"""Cache, live bus and doorbell on Redis or Valkey. All of it may vanish at any moment and costs latency only."""
