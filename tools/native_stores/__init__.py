"""Real InfluxDB and Elasticsearch servers for tests, built or fetched once and run without a container engine."""
