"""Where backups are made, and where copies of them go."""

from pathlib import Path

import pytest

from tests.copies.given import folder
from worker.storage.local import Folder


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    return folder(tmp_path / "home")


@pytest.fixture
def there(tmp_path: Path) -> Folder:
    return folder(tmp_path / "copies")
