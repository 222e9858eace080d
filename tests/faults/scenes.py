"""A product at the end of a line: its settings, the backups that it takes, and what it says."""

import re
from pathlib import Path
from typing import Any

from tests.faults.line import Line
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.progress import silent


def by_way_of(line: Line, storage: Path, **more: Any) -> Settings:
    """Settings whose source and target lie behind the line, and are asked as fast as they answer."""
    told = {"redis_url": line.url, "backup_storage": str(storage), "backup_pace": "full"}
    return Settings(**{**told, **more})


def taken(line: Line, storage: Path, **arguments: Any) -> dict[str, Any]:
    """A backup by way of the line: the manifest."""
    return backup(by_way_of(line, storage), BackupArguments.model_validate(arguments), silent)


def one_sentence(error: BackupSystemError, words: str) -> None:
    """It is these words, in one plain sentence."""
    assert re.search(words, str(error)), error
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", str(error))
