"""Settings of a folder for backups."""

from pathlib import Path

import pytest

from worker.config.settings import Settings


@pytest.fixture
def settings(storage: Path) -> Settings:
    return Settings(backup_storage=str(storage))
