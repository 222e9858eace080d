"""How long it took is told of each verb, in seconds: no less than nothing, and no more than whoever asked has waited."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import StartServer
from tests.support.backups import settings_for
from tests.support.servers import Binary
from worker.arguments.backups import BackupArguments, VerifyArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.backups.backup import backup
from worker.backups.verify import verify
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.search.search import search


def timed(work: Callable[[], dict[str, Any]], name: str = "seconds") -> dict[str, Any]:
    began = time.monotonic()
    told = work()
    assert 0 <= told[name] <= time.monotonic() - began + 0.001
    return told


def test_each_verb_tells_how_long_it_took(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest)
    server.client().mset({f"key:{number}": "value" for number in range(100)})
    settings = settings_for(server, tmp_path)
    timed(lambda: backup(settings, BackupArguments(), silent), "duration_seconds")
    timed(lambda: verify(settings, VerifyArguments(name="latest"), silent))
    server.client().flushall()
    timed(lambda: preview(settings, PreviewArguments(name="latest"), silent))
    report = timed(lambda: restore(settings, RestoreArguments(name="latest"), silent))
    timed(lambda: search(settings, SearchArguments(key="key:1"), silent))
    timed(lambda: undo(settings, UndoArguments(run=report["undo"]["name"]), silent))


def test_a_mirror_needs_room_for_the_whole_backup_whatever_is_there(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    """It is loaded as one file, in the place of all there is."""
    server = start_server(newest)
    server.client().mset({f"key:{number}": b"%04d" % number * 1000 for number in range(500)})
    settings = settings_for(server, tmp_path)
    backup(settings, BackupArguments(), silent)
    kept, anew = (
        preview(settings, PreviewArguments(name="latest", mode=mode), silent)["memory"]["needed_bytes"]
        for mode in ("overwrite", "mirror")
    )
    assert kept < 100_000
    assert 500 * 4000 < anew < 2 * 500 * 4000
