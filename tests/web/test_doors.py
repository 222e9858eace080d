"""What the web knows of the worker: what may be asked for, and nothing of how it is done."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from worker import tasks
from worker.celery import app
from worker.runs.operations import OPERATIONS

ROOT = Path(__file__).parent.parent.parent
KNOWN = {
    *(
        "alerts",
        "arguments",
        "broker",
        "celery",
        "config",
        "errors",
        "logs",
        "progress",
        "repository",
        "runs",
        "storage",
        "notify",
        "words",
    ),
    *(
        "backups.choosing",
        "backups.copies.retention",
        "backups.retention",
        "backups.suspicion.judge",
        "backups.suspicion.prefixes",
        "backups.schedule",
        "formats.entries",
        "formats.prefixes",
        "formats.key_text",
        "formats.types",
        "notify.channels",
        "notify.message",
        "notify.outbox",
        "notify.overview",
        "notify.standing",
        "segments.marks",
        "segments.visits.folder",
        "segments.visits.standing",
        "server.endpoint",
    ),
}
"""Of the worker: what is asked for, what is remembered, and where things are. None of it reads or writes a key."""


def everything(module: str) -> list[str]:
    """What a fresh process has loaded with that one."""
    script = f"import json, sys, {module}; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    names: list[str] = json.loads(done.stdout)
    return names


def loaded(module: str) -> set[str]:
    """The worker's modules of these, without their folders alone."""
    names = [name.removeprefix("worker.") for name in everything(module) if name.startswith("worker.")]
    return {name for name in names if not any(other.startswith(f"{name}.") for other in names)}


def within(name: str, known: set[str]) -> bool:
    """Whether it is one of these, or in a folder that is."""
    return any(name == one or name.startswith(f"{one}.") for one in known)


def test_the_web_loads_no_verb() -> None:
    assert sorted(name for name in loaded("web") if not within(name, KNOWN)) == []


def test_a_verb_would_be_seen() -> None:
    assert not within("restore.restore", KNOWN)
    assert "restore.restore" in loaded("worker.tasks")


def test_a_list_of_backups_needs_no_client_of_redis_and_nothing_that_reads_an_artifact() -> None:
    assert not {"server.endpoint.endpoint", "repository.artifact", "backups.repair", "runs.store"} & loaded(
        "worker.cli.list"
    )
    # A third of its start would be theirs.
    assert not {"redis", "cryptography", "celery", "flask"} & {*everything("worker.cli.list")}


@cache
def asked() -> frozenset[str]:
    """The operations that the web asks a worker for, by name."""
    calls = [node for path in ROOT.glob("web/**/*.py") for node in ast.walk(ast.parse(path.read_text()))]
    return frozenset(
        str(call.args[0].value)
        for call in calls
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("jobs.ask", "jobs.ask_once")
        and isinstance(call.args[0], ast.Constant)
    )


def test_the_web_asks_for_all_that_changes_or_finds_something() -> None:
    assert asked() == {one.name for one in OPERATIONS.values() if one.queue}


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one in asked()])
def test_there_is_a_task_of_each_name_that_the_web_asks_for(operation: str) -> None:
    name = OPERATIONS[operation].task
    assert name == getattr(tasks, operation).name
    assert name in app.tasks
