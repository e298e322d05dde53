"""Which metrics there are to ask for: those of the specification and the organization's own."""

import pytest

from strata_core.series.commands import register
from strata_datamodel.metrics import FieldClass, SeriesKey

pytestmark = pytest.mark.usefixtures("api")


def send(tenant, *keys):
    with tenant.system_units.organization(tenant.organization_id) as uow:
        register(uow, keys)


def key(measurement, field, field_class=FieldClass.NUMBER, **tags):
    return SeriesKey(measurement, tuple(sorted(tags.items())), field, field_class)


def catalogue(api, tenant, **query):
    answer = api.client.get(f"{tenant.path}/metrics/catalogue", params=query, headers=tenant.admin)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_specified_measurements_come_with_units_and_the_organizations_own_with_what_was_sent(api):
    send(
        api.acme,
        key("nginx", "requests", host="a", zone="x"),
        key("nginx", "requests", FieldClass.STRING, host="b"),
        key("nginx", "up", FieldClass.BOOLEAN),
        key("system_metrics", "value", host_id="h", rack="7"),
        key("system_metrics", "median", host_id="h"),
    )
    found = {each["name"]: each for each in catalogue(api, api.acme)["items"]}
    assert list(found) == ["alert_events", "application_metrics", "nginx", "system_metrics"]
    nginx = found["nginx"]
    assert (nginx["is_seen"], nginx["is_specified"]) == (True, False)
    assert [(each["name"], each["classes"]) for each in nginx["fields"]] == [
        ("requests", ["number", "string"]),
        ("up", ["boolean"]),
    ]
    assert [tag["name"] for tag in nginx["tags"]] == ["host", "zone"]
    system = found["system_metrics"]
    assert (system["is_seen"], system["is_specified"]) == (True, True)
    assert [each["name"] for each in system["fields"]] == ["value", "threshold_warning", "threshold_critical", "median"]
    assert {each["unit_tag"] for each in system["fields"]} == {"unit", None}
    assert [tag["name"] for tag in system["tags"]][-2:] == ["unit", "rack"]
    duration = found["alert_events"]["fields"][0]
    assert (duration["name"], duration["unit"], found["alert_events"]["is_seen"]) == ("duration", "s", False)


def test_another_organizations_measurements_are_not_there(api):
    send(api.acme, key("secret", "v", who="me"))
    found = catalogue(api, api.globex)["items"]
    assert [each["name"] for each in found] == ["alert_events", "application_metrics", "system_metrics"]
    assert not any(each["is_seen"] for each in found)


def test_pages_follow_each_other_by_name_without_loss(api):
    send(api.acme, *(key(f"m{number:02}", "v") for number in range(12)))
    names, cursor = [], None
    while True:
        page = catalogue(api, api.acme, limit=4, **({"cursor": cursor} if cursor else {}))
        names += [each["name"] for each in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert names == sorted(["alert_events", "application_metrics", "system_metrics", *(f"m{n:02}" for n in range(12))])


def test_it_takes_the_permission_to_read_metrics(api):
    answer = api.client.get(f"{api.acme.path}/metrics/catalogue", headers=api.acme.key_with("hosts:read"))
    assert answer.status_code == 403
