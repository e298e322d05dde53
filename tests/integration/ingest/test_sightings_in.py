"""Hosts, services and series appear by themselves."""


def test_hosts_and_services_appear_from_metrics_and_logs(ingest):
    ingest.write("cpu,host=web-1,region=eu,environment=prod,service=shop v=1\ncpu,host_id=web-2 v=1\nup v=1\n")
    ingest.bulk('{"index":{}}\n{"message":"m","host":"db-1","service":{"name":"postgres"}}\n')
    ingest.machine.drain()
    hosts = ingest.database.rows("SELECT * FROM hosts ORDER BY name")
    assert [host["name"] for host in hosts] == ["db-1", "web-1", "web-2"]
    assert (hosts[1]["environment"], hosts[1]["region"], hosts[1]["source"]) == ("prod", "eu", "telemetry")
    services = ingest.database.rows("SELECT name FROM services ORDER BY name")
    assert [service["name"] for service in services] == ["postgres", "shop"]
    assert {host["organization_id"] for host in hosts} == {ingest.acme.organization_id}


def test_equal_host_names_of_two_organizations_are_two_hosts(ingest):
    for sender in (ingest.acme, ingest.globex):
        ingest.write("cpu,host=web-1 v=1", sender)
    ingest.machine.drain()
    found = ingest.database.rows("SELECT organization_id FROM hosts WHERE name = 'web-1'")
    assert {row["organization_id"] for row in found} == {ingest.acme.organization_id, ingest.globex.organization_id}


def test_what_was_seen_again_costs_no_write(ingest):
    for number in range(5):
        ingest.write(f"cpu,host=web-1 v={number}")
        ingest.machine.drain()
    (host,) = ingest.database.rows("SELECT xmin::text, first_seen_at, last_seen_at FROM hosts")
    assert host["first_seen_at"] == host["last_seen_at"]


def test_each_series_is_in_the_catalogue_once(ingest):
    for value in ("1", "2", "true"):
        ingest.write(f"cpu,host=a v={value}")
    ingest.machine.drain()
    found = ingest.database.rows("SELECT measurement, field, field_class, tags FROM metric_series ORDER BY field_class")
    assert [(row["measurement"], row["field"], row["field_class"], row["tags"]) for row in found] == [
        ("cpu", "v", "boolean", {"host": "a"}),
        ("cpu", "v", "number", {"host": "a"}),
    ]
