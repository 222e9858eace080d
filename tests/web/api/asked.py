"""Backups and runs that the API tells of, the tasks that it asks for, and its errors."""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.backups import manifest_of
from tests.support.dashboard import Web
from tests.support.processes import CANARY
from worker.repository import catalogue
from worker.runs.operations import QUEUES
from worker.runs.run import Run, new
from worker.runs.store import open_runs
from worker.storage import open_storage

Scripts = Callable[..., FlaskClient]

NAME = "redis_backup_20231205_143022.rdb.zst"
OLDER = "redis_backup_20231204_143022.rdb.zst"
CONTENT = b"not really a backup"


def keep(web: Web, name: str = NAME, content: bytes = CONTENT) -> None:
    """A backup in the catalogue."""
    storage = open_storage(str(web.storage))
    storage.put(name, content)
    catalogue.add(storage, manifest_of(name, content))


def remember(web: Web, operation: str = "backup", **told: Any) -> Run:
    """A run that somebody asked for."""
    identity = told.pop("id", "some-run")
    run = new(identity, operation, {}, "admin").model_copy(update=told)
    with open_runs(web.settings) as runs:
        runs.put(run)
    return run


def remembered(web: Web) -> list[Run]:
    with open_runs(web.settings) as runs:
        return list(runs.each())


def queued(web: Web) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that wait, with what they were told: those of the queue for long ones first, of each the newest first."""
    texts: Any = [text for queue in QUEUES for text in web.broker.client().lrange(queue, 0, -1)]
    messages = [json.loads(text) for text in texts]
    return [(one["headers"]["task"], json.loads(b64decode(one["body"]))[1]) for one in messages]


def error(answer: TestResponse) -> str:
    """The sentence of an error, which has nothing beside it."""
    told = answer.get_json()
    assert set(told) == {"error"}
    said: str = told["error"]
    assert said.endswith((".", "?"))
    assert CANARY not in answer.text
    return said
