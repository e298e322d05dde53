"""InfluxQL, as InfluxDB 1.8 speaks it: SELECT and SHOW, answered from one organization's own series."""
