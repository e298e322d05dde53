"""What a panel asks, once its variables and its width are known."""

import re
from uuid import UUID

import pytest

from strata_core.context import Actor, ActorKind, Context
from strata_core.dashboards.diffing import changes_between
from strata_core.dashboards.panel_data import PanelAsked, panel_questions
from strata_core.dashboards.rules import checked_document
from strata_core.dashboards.variables import ALL, chosen, with_values
from strata_datamodel.dashboards import (
    Dashboard,
    DashboardDraft,
    Panel,
    PanelQuery,
    PanelQuestion,
    QuestionFilter,
    SavedBy,
    Variable,
    VariableKind,
)
from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PANELS_PER_DASHBOARD
from strata_datamodel.metrics import FilterOp, TagFilter

NOW_NS = 1_795_000_000 * 10**9
ORGANIZATION = OrganizationId(UUID(int=7))
CTX = Context(ORGANIZATION, Actor(ActorKind.SYSTEM, None, "test"), frozenset({"metrics:read"}), "request")
HOST = Variable(name="host", options=("a", "b|c", "d.e"), current=("a",), is_multi=True, includes_all=True)
OTHERS = (
    Variable(name="dc", current=("fsn",)),
    Variable(name="env", kind=VariableKind.CONSTANT, current=("prod",)),
    Variable(name="none"),
)


def filters(op: str, text: str, **sent: tuple[str, ...]) -> tuple[TagFilter, ...]:
    asked = PanelQuestion(measurement="cpu", field="usage", filters=(QuestionFilter("host", op, (text,)),))
    return with_values(asked, chosen((HOST, *OTHERS), sent))[1]


def made(panel: Panel, **changes: object) -> Dashboard:
    who = SavedBy("system", None, "")
    whole = {"title": "t", "panels": (panel,), "variables": (HOST, *OTHERS), **changes}
    return Dashboard(**whole, id=UUID(int=1), version=1, message="", saved_by=who, created_at="", updated_at="")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["$host", "${host}", "[[host]]", "${host:regex}", "${host:csv}"])
def test_every_way_to_name_a_variable_means_its_value(text):
    assert filters("=", text) == (TagFilter("host", FilterOp.EQ, ("a",)),)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("=", (TagFilter("host", FilterOp.IN, ("x-a", "x-b|c")),)),
        ("in", (TagFilter("host", FilterOp.IN, ("x-a", "x-b|c")),)),
        ("!=", (TagFilter("host", FilterOp.NE, ("x-a",)), TagFilter("host", FilterOp.NE, ("x-b|c",)))),
        ("=~", (TagFilter("host", FilterOp.MATCH, (r"x-(?:a|b\|c)",)),)),
    ],
)
def test_several_choices_are_each_asked_for(op, expected):
    assert filters(op, "x-$host", host=("a", "b|c")) == expected


@pytest.mark.parametrize("op", ["=", "=~", "!=", "in"])
@pytest.mark.parametrize("text", ["$host", "^$host$", "^(?:${host})$", "^(${host})$"])
def test_all_is_no_filter(op, text):
    assert filters(op, text, host=(ALL,)) == ()


@pytest.mark.parametrize("value", [".*", "a|b", ")(", "\\", "[", "a{1000}", "$dc", "^$", "(?i)x"])
def test_no_value_becomes_a_part_of_a_regex(value):
    ((only,),) = (filters("=~", "^$host$", host=(value,)),)
    pattern = re.compile(only.values[0])
    assert pattern.match(value)
    assert not any(pattern.match(other) for other in ("b", "x", "prod", "aaa", "ab", "fsn"))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"nothing": ("x",)}, "bad_variable"),
        ({"dc": (ALL,)}, "bad_variable"),
        ({"dc": ("a", "b")}, "bad_variable"),
        ({"env": ("test",)}, "bad_variable"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_by_its_name(sent, code):
    with pytest.raises(InvalidError) as refused:
        chosen((HOST, *OTHERS), sent)
    assert refused.value.code == code
    assert next(iter(sent)) in refused.value.problems[0].where


@pytest.mark.parametrize("text", ["$gone", "$none", "x$none"])
def test_a_query_that_names_what_has_no_value_is_refused_and_its_neighbour_is_asked(text):
    fine = PanelQuestion(measurement="cpu", field="usage")
    bad = PanelQuestion(measurement="cpu", field="usage", filters=(QuestionFilter("host", "=", (text,)),))
    queries = (PanelQuery(ref_id="A", question=bad), PanelQuery(ref_id="B", question=fine), PanelQuery(ref_id="C"))
    panel = Panel(id=1, queries=(*queries, PanelQuery(ref_id="D", question=fine, is_hidden=True)))
    first, second, third = panel_questions(CTX, made(panel), panel, PanelAsked(), NOW_NS)
    assert first.refusal is not None
    assert first.refusal.code in {"unknown_variable", "bad_variable"}
    assert second.question is not None
    assert third.refusal is not None
    assert third.refusal.code == "query_not_translated"


@pytest.mark.parametrize(
    ("changes", "asked", "step"),
    [
        ({}, PanelAsked("now-1h", "now"), "10s"),
        ({}, PanelAsked("now-6h", "now", max_data_points=100), "300s"),
        ({"max_data_points": 1_000}, PanelAsked("now-30d", "now"), "3600s"),
        ({"interval": "5m"}, PanelAsked("now-1h", "now"), "300s"),
        ({"interval": ">1m"}, PanelAsked("now-24h", "now", max_data_points=10), "10800s"),
        ({}, PanelAsked("now-1h", "now", step="7s"), "7s"),
        ({}, PanelAsked(0, "now", max_data_points=1), "20776d"),
    ],
)
def test_the_step_is_as_fine_as_there_is_room_for(changes, asked, step):
    question = PanelQuestion(measurement="cpu", field="usage", step="$__interval")
    panel = Panel(id=1, queries=(PanelQuery(ref_id="A", question=question),), **changes)
    (planned,) = panel_questions(CTX, made(panel), panel, asked, NOW_NS)
    assert planned.question is not None
    assert planned.question.step == step


def test_too_much_and_what_cannot_be_shown_is_refused_under_a_name():
    panels = tuple(Panel(id=number) for number in range(PANELS_PER_DASHBOARD + 1))
    with pytest.raises(LimitError) as refused:
        checked_document(DashboardDraft(title="t", panels=panels))
    assert refused.value.code == "panels_per_dashboard"
    bad = PanelQuestion(measurement="m", field="f", aggregate="median", step="soon")
    row = Panel(id=2, type="row", panels=(Panel(id=2, type="row", panels=(Panel(id=3),)),))
    twice = Panel(id=1, queries=(PanelQuery(ref_id="A", question=bad), PanelQuery(ref_id="A")))
    with pytest.raises(InvalidError) as wrong:
        checked_document(DashboardDraft(title=" ", panels=(twice, row)))
    assert {problem.where for problem in wrong.value.problems} == {
        "/title", "/panels", "/panels/0/queries", "/panels/0/queries/0/question/aggregate",
        "/panels/0/queries/0/question/step", "/panels/1/panels/0/panels",
    }  # fmt: skip


def test_changes_are_told_by_what_they_are_of_and_not_by_their_place():
    old = DashboardDraft(title="t", panels=(Panel(id=1, title="a"), Panel(id=2), Panel(id=3)))
    new = DashboardDraft(title="u", panels=(Panel(id=3), Panel(id=1, title="b"), Panel(id=4)))
    found = changes_between(checked_document(old), checked_document(new))
    told = [(each.kind.value, each.path) for each in found]
    assert ("changed", "/title") in told
    assert ("changed", "/panels/id=1/title") in told
    assert ("removed", "/panels/id=2") in told
    assert ("added", "/panels/id=4") in told
    assert ("changed", "/panels") in told, "their order"
    assert len(told) == 5
