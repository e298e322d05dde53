"""Names for whoever writes a question, of their own organization's series alone."""

import pytest

from strata_core.series.commands import register
from strata_datamodel.metrics import FieldClass, SeriesKey


def key(measurement, field, **tags):
    return SeriesKey(measurement, tuple(sorted(tags.items())), field, FieldClass.NUMBER)


@pytest.fixture(scope="module")
def sent(shared_api):
    """Both organizations have the same measurement and host; each has names of its own."""
    for tenant, own in ((shared_api.acme, "ours"), (shared_api.globex, "theirs")):
        keys = [
            key("cpu", "usage", host="web1", zone="x", **{own: own}),
            key("cpu", f"{own}_field", host="web2"),
            key(own, "usage", host=f"{own}_host", disk="a%"),
            key("mem_total", "usage", host="web1"),
        ]
        with tenant.system_units.organization(tenant.organization_id) as uow:
            register(uow, keys)
    return shared_api


def names(world, path, **query):
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = world.client.get(
            f"{world.acme.path}/metrics/{path}", params={**query, **more}, headers=world.acme.admin
        )
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if (cursor := answer.json()["next_cursor"]) is None:
            return found


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("measurements", {}, ["cpu", "mem_total", "ours"]),
        ("measurements", {"limit": 1}, ["cpu", "mem_total", "ours"]),
        ("measurements", {"prefix": "m"}, ["mem_total"]),
        ("measurements", {"prefix": "%"}, []),
        ("measurements", {"tag": "host=web1"}, ["cpu", "mem_total"]),
        ("fields", {"measurement": "cpu"}, ["ours_field", "usage"]),
        ("fields", {"measurement": "theirs"}, []),
        ("tags", {"limit": 2}, ["disk", "host", "ours", "zone"]),
        ("tags", {"measurement": "cpu", "field": "usage"}, ["host", "ours", "zone"]),
        ("tag-values", {"key": "host"}, ["ours_host", "web1", "web2"]),
        ("tag-values", {"key": "host", "prefix": "web", "limit": 1}, ["web1", "web2"]),
        ("tag-values", {"key": "host", "tag": ["zone=x", "ours=ours"]}, ["web1"]),
        ("tag-values", {"key": "disk"}, ["a%"]),
        ("tag-values", {"key": "theirs"}, []),
    ],
)
def test_names_are_found_by_prefix_and_filter_page_by_page(sent, path, query, wanted):
    assert names(sent, path, **query) == wanted


@pytest.mark.parametrize(
    ("path", "query"), [("tags", {"tag": "host"}), ("tags", {"prefix": "a\0"}), ("tag-values", {})]
)
def test_what_is_no_filter_is_refused(sent, path, query):
    answer = sent.client.get(f"{sent.acme.path}/metrics/{path}", params=query, headers=sent.acme.admin)
    assert answer.status_code == 422


def test_a_cursor_counts_for_its_own_filters_only(sent):
    first = sent.client.get(f"{sent.acme.path}/metrics/tags", params={"limit": 1}, headers=sent.acme.admin).json()
    query = {"cursor": first["next_cursor"], "measurement": "cpu"}
    answer = sent.client.get(f"{sent.acme.path}/metrics/tags", params=query, headers=sent.acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")
