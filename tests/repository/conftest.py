"""A machine of its own, and a folder of backups."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.config.settings import load
from worker.storage.local import Folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine that has signed nothing yet: the folder in which it keeps what it has."""
    monkeypatch.setenv("BACKUP_STATE", str(tmp_path / "state"))
    load.cache_clear()
    yield tmp_path / "state"
    load.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")
