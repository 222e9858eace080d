"""What is known of operations stands in one table: every task has its row, and no other module lists their names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.support.modules import modules
from tests.support.processes import ROOT
from web import wording
from web.wording import outcomes
from worker import tasks
from worker.celery import app
from worker.cli.verbs import VERBS
from worker.runs.operations import OPERATIONS, QUEUES, STREAM, TASKS, Name, of, of_task
from worker.runs.reaper import killed
from worker.runs.run import Run

TABLE = "worker.runs.operations"
BY_ITSELF = (tasks.notify, tasks.reap, tasks.catch_up, tasks.drills, tasks.watch, tasks.visit, tasks.listen, tasks.seal)
"""Tasks that nobody asks for, and that are no runs."""
OTHER_WORDS = {
    "worker.cli.examples": "verbs of the shell, with what is typed behind them",
    "worker.broker.scopes": "two scopes are called like operations",
    "worker.repository.manifest": "kinds of backups",
    "worker.server.refusals": "commands of a server",
    "worker.server.rights": "what each way to do something takes at a server",
}
"""Modules in which such words stand for something else."""


def lists_of_names(text: str) -> Iterator[tuple[int, set[str]]]:
    """Yield the line and the names of every collection of two or more operations: tuples, dicts, Literals, patterns."""
    for node in ast.walk(ast.parse(text)):
        members: list[ast.AST] = []
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            members = [*node.elts]
        elif isinstance(node, ast.Dict):
            members = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchOr):
            members = [*node.patterns]
        elif isinstance(node, ast.Match):
            members = [case.pattern for case in node.cases]
        named = {name for member in members for name in _constants(member)} & OPERATIONS.keys()
        if len(named) > 1:
            yield getattr(node, "lineno", 0), named


def _constants(member: ast.AST) -> Iterator[str]:
    """Yield what a member is, and the first of a tuple: `"backup"`, and `("backup", "done")`."""
    member = member.value if isinstance(member, ast.MatchValue) else member
    if isinstance(member, ast.Tuple) and member.elts:
        member = member.elts[0]
    if isinstance(member, ast.Constant) and isinstance(member.value, str):
        yield member.value


def test_no_other_module_lists_operations() -> None:
    listed = {name: list(lists_of_names(path.read_text())) for name, path in modules(ROOT).items()}
    found = {name: lists for name, lists in listed.items() if lists and name != TABLE}
    assert {name: lists for name, lists in found.items() if name not in OTHER_WORDS} == {}, f"ask {TABLE} instead"
    assert OTHER_WORDS.keys() <= found.keys(), "whoever lists none of these words needs no leave to"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('if operation in ("backup", "undo"): pass', {"backup", "undo"}),
        ('KINDS = {"backup": 1, "restore": 2}', {"backup", "restore"}),
        ('ADVICE = {("backup", "done"): 1, ("restore", "done"): 2}', {"backup", "restore"}),
        ('Kind = Literal["prune", "pin"]', {"prune", "pin"}),
        ('match one:\n    case "prune" | "pin": pass', {"prune", "pin"}),
        ('A = {"stats", "something else"}', set()),
    ],
)
def test_a_list_of_operations_is_found(text: str, found: set[str]) -> None:
    assert {name for _, names in lists_of_names(text) for name in names} == found


def test_no_template_lists_operations() -> None:
    templates = list((Path(wording.__path__[0]).parent / "templates").glob("*.html"))
    lists = [text for path in templates for text in re.findall(r"operation (?:not )?in (\(.*?\))", path.read_text())]
    assert templates
    assert lists == []


def test_every_task_has_its_row_and_every_row_with_a_queue_its_task() -> None:
    by_itself = {task.name for task in BY_ITSELF}
    named = {name for name in app.tasks if name.startswith(TASKS)} - by_itself
    assert named == {one.task for one in OPERATIONS.values() if one.queue}
    assert {name for name in named if (row := of_task(name)) is None or row.task != name} == set()


@pytest.mark.parametrize("task", ["worker.tasks.reap", "backup", "other.tasks.backup", "worker.tasks.", ""])
def test_what_is_no_task_of_an_operation_has_none(task: str) -> None:
    assert of_task(task) is None


def test_every_task_is_routed_to_the_queue_of_its_row() -> None:
    router = app.amqp.router
    routed = {one.name: router.route({}, one.task)["queue"].name for one in OPERATIONS.values() if one.queue}
    assert routed == {one.name: one.queue for one in OPERATIONS.values() if one.queue}
    for task in BY_ITSELF:
        expected = {"worker.tasks.visit": STREAM, "worker.tasks.listen": STREAM, "worker.tasks.seal": "jobs"}.get(
            task.name, "quick"
        )
        assert router.route({}, task.name)["queue"].name == expected
    assert {queue.name for queue in app.conf.task_queues} == {*QUEUES, STREAM}


def test_every_task_is_tried_again_as_often_as_its_row_says() -> None:
    assert {one.name: app.tasks[one.task].max_retries for one in OPERATIONS.values() if one.queue} == {
        one.name: one.retries for one in OPERATIONS.values() if one.queue
    }


def test_the_names_are_those_of_the_rows() -> None:
    assert list(get_args(Name)) == list(OPERATIONS)
    assert list(OPERATIONS) == [one.name for one in OPERATIONS.values()]


def test_every_row_with_a_verb_is_in_the_shell() -> None:
    assert {name: VERBS[name.replace("_", "-")] for name, one in OPERATIONS.items() if one.verb} == {
        name: one.verb for name, one in OPERATIONS.items() if one.verb
    }
    assert VERBS.keys() - OPERATIONS.keys() == {
        "list",
        "alerts",
        "cancel",
        "export",
        "keygen",
        "notify",
        "visit",
        "schedule",
        "token",
        "completion",
        "put-back",
    }


def test_what_only_asks_writes_nothing_and_nobody_needs_more_than_to_read_for_it() -> None:
    asking = [one for one in OPERATIONS.values() if one.asks]
    assert asking
    assert [one.name for one in OPERATIONS.values() if one.asks != (one.scope == "read")] == []
    assert [one.name for one in asking if one.writes or one.alone or one.made_up_for] == []


def test_every_operation_is_told_of_in_words() -> None:
    assert outcomes._OUTCOMES.keys() == OPERATIONS.keys() - {"adopt"}
    assert {state for one in OPERATIONS.values() for state in one.advice} <= {"done", "failed", "interrupted"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_of_each_that_was_killed_there_is_a_sentence(operation: str) -> None:
    words = killed(Run.model_validate({"id": "1", "operation": operation, "queued_at": 0, "due_at": 0}))
    assert words.startswith("Its process was killed")
    assert "{" not in words


def test_an_operation_of_another_version_is_one_of_which_nothing_is_known() -> None:
    novelty = of("novelty")
    assert (novelty.title, novelty.queue, novelty.asks, novelty.writes) == ("Novelty", None, False, False)
    assert (novelty.concerns, novelty.alone, novelty.kept) == (("storage",), None, of("backup").kept)


def test_all_but_what_looks_stands_in_the_audit_log() -> None:
    assert {name for name, one in OPERATIONS.items() if not one.writes} == {
        *(
            "browse",
            "differences",
            "drill",
            "fits",
            "happened",
            "ping",
            "preview",
            "search",
            "stats",
            "storage",
            "timeline",
            "verify",
            "writes",
        ),
    }
