"""The trace of data that somebody at a shell was given: its module loads a client of Redis, which no list of backups needs."""

import json
from typing import Any

from worker.broker import audit
from worker.cli.runner import Data
from worker.config.settings import load
from worker.repository.behalf import at_shell
from worker.runs.run import here


def read_at_shell(what: str, data: Data | int, **facts: Any) -> None:
    """Leave a trace of data that somebody at a shell is given, or of so many bytes of it."""
    many = data if isinstance(data, int) else len(json.dumps(data, default=str))
    audit.read(load(), str(at_shell(here())), what, **facts, bytes=many)
