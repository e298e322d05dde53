"""Logs in an Elasticsearch cluster, 8.19 or 9: dated indices, shared by the organizations."""
