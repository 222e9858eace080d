"""A folder for temporary files whose path a socket may have, and drills."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import settings_for
from tests.support.servers import Server, binaries
from worker.arguments.backups import DrillArguments
from worker.config.settings import Settings
from worker.progress import silent
from worker.restore.drill.drill import drill


@pytest.fixture(autouse=True)
def scratch_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where temporary files lie, to be empty afterwards. Those of the test are made before, and lie elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="rb-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    left = [*folder.iterdir()]
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []


def drilling(server: Server, storage: Path, **more: Any) -> Settings:
    """The settings of a product that may use every server of this machine."""
    return settings_for(server, storage, drill_servers=tuple(binary.path for binary in binaries()), **more)


def drilled(settings: Settings, name: str = "latest", **arguments: Any) -> dict[str, Any]:
    """One drill; its result."""
    return drill(settings, DrillArguments(name=name, **arguments), silent)


def servers_below(folder: Path) -> list[int]:
    """The processes of scratch servers whose socket lies there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            # A server changes its title as soon as it listens, and keeps the path.
            if os.fsencode(folder) in words and b"-server" in words.split(b"\0")[0]:
                found.append(int(path.parent.name))
    return found
