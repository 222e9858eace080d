"""A folder of backups that is still to be made."""

from pathlib import Path

import pytest

from worker.storage.local import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")
