"""What somebody elsewhere hears of a failure names no key, whatever that is called."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.processes import CANARY, ROOT
from tests.support.servers import binaries
from worker import errors
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.progress import silent

HOSTILE = [
    f"{CANARY} of mine",
    f"it's \"{CANARY}\" and `{CANARY}'s`",
    f"one\n{CANARY}\r\ntwo",
    f"\u202e{CANARY}\u2066'",
    f"'{CANARY}",
]


def test_a_backup_that_cannot_read_a_key_names_it_here_and_nowhere_else(
    start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(binaries()[-1])
    client: Any = source.client()
    # Of some keys only, which is found out in the middle.
    client.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "+@all", "~redis_backup", "~ours:*")
    reader = source.url.replace("redis://", "redis://reader:pw@")
    settings = Settings(redis_url=reader, celery_broker_url=source.url, backup_storage=str(tmp_path / "backups"))
    for key in HOSTILE:
        client.flushall()
        client.set(key, "value")
        for named, ways in ((True, {"engine": "scan"}), (False, {"engine": "typed", "format": "json"})):
            with pytest.raises(BackupSystemError) as caught:
                backup(settings, BackupArguments(**ways), silent)  # type: ignore[arg-type]
            assert (CANARY in str(caught.value)) == named
            assert CANARY not in caught.value.outside
            assert caught.value.outside.startswith("The source")


def test_an_error_of_which_nobody_said_anything_else_tells_no_more_than_its_kind() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BackupSystemError)]
    quoting = [kind for kind in kinds if CANARY in kind(f"The key {CANARY} is damaged.").outside]
    assert {kind.__name__ for kind in quoting} == {
        *("BusyError", "LostError", "BrokerUnavailableError", "ScratchError"),
        *("StorageError", "StorageUnavailableError", "ForbiddenError", "UnreadError"),
    }, "who raises these knows no key"


def test_what_is_said_to_be_plain_is_worded_without_a_key_and_without_a_reply() -> None:
    plain = [
        (f"{path.relative_to(ROOT)}, line {call.lineno}", names)
        for path in (ROOT / "worker").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "plain"
        if (names := {*_names(call.func.value)})
    ]
    assert len(plain) > 10
    telling = {"key", "prefix", "pattern", "value", "words", "reply", "answer", "shown", "key_text", "repr"}
    assert [(where, names & telling) for where, names in plain if names & telling] == []


def _names(of: ast.expr) -> Iterator[str]:
    for node in ast.walk(of):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.id if isinstance(node, ast.Name) else node.attr
