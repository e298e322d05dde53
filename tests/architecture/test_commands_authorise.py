"""Every command of a feature asks whether its caller may, be it called by a route, a worker or the command line."""

import ast
from collections.abc import Iterator
from pathlib import Path

CORE = Path(__file__).parents[2] / "libs/core/strata_core"
ASKING = {"require", "require_somewhere", "load_writable", "DeniedError"}
# Takes a context, to say in the audit log who acted, but is not where it is decided whether they may.
DECIDED_ELSEWHERE = {
    "alerting.open_alert": "the evaluator's own",
    "alerting.settle_alert": "the evaluator's, and that of commands which have asked",
    "audit.record": "writes down what was decided",
    "idempotency.begin": "of a request that its command judges",
    "idempotency.finish": "of a request that its command judges",
    "idempotency.forget": "of a request that its command judges",
    "idempotency.kept_reply": "of a request that its command judges",
    "idempotency.principal_of": "only names who asks",
    "invitations.finish_invitation": "of somebody who holds the invitation's token",
    "members.leave_organization": "anybody may leave; the person's own unit says who they are",
    "organizations.insert_organization": "an operator's, or that of somebody whose own it becomes",
    "organizations.insert_owner": "an operator's, or that of somebody whose own it becomes",
    "notifying.plan_notifications": "the event's handler's own",
}


def public_functions(source: str) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def takes_context(function: ast.FunctionDef) -> bool:
    first = function.args.args[:1]
    return bool(first) and isinstance(first[0].annotation, ast.Name) and first[0].annotation.id == "Context"


def called(function: ast.FunctionDef) -> set[str]:
    return {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def unasked(source: str) -> set[str]:
    functions = [each for each in public_functions(source) if takes_context(each)]
    asking = {each.name for each in functions if called(each) & ASKING}
    # A command may leave the asking to another that it calls.
    return {each.name for each in functions if each.name not in asking and not called(each) & asking}


def command_files() -> list[Path]:
    return sorted(CORE.glob("*/commands.py"))


def test_every_command_asks_whether_its_caller_may():
    assert len(command_files()) > 8
    found = {f"{path.parent.name}.{name}" for path in command_files() for name in unasked(path.read_text("utf-8"))}
    assert found - set(DECIDED_ELSEWHERE) == set()


def test_a_command_that_forgets_to_ask_is_found():
    forgetful = "def burn(ctx: Context, uow: UnitOfWork) -> None:\n    uow.execute(1)\n"
    assert unasked(forgetful) == {"burn"}
    careful = forgetful.replace("uow.execute", "require")
    assert unasked(careful) == set()


def test_no_exception_outlives_its_command():
    names = {
        f"{path.parent.name}.{each.name}"
        for path in command_files()
        for each in public_functions(path.read_text("utf-8"))
    }
    assert set(DECIDED_ELSEWHERE) <= names
