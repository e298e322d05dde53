"""OTLP metrics to points, from protobuf and from JSON. The walk in machine code answers what the plain reading does."""
