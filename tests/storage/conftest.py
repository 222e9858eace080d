"""A folder of backups that is still to be made."""

from pathlib import Path

import pytest

from tests.support.memory_bucket import MemoryBucket
from worker.storage.local import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")


@pytest.fixture
def bucket() -> MemoryBucket:
    """One that can tell whether it writes over something, as is known by now."""
    return MemoryBucket(exclusive=True)
