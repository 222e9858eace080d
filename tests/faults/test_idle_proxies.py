"""A proxy between us and a server that closes what is idle, while a run has a pause: by slow storage, or a process that waits.

| operation | outcome |
|---|---|
| a backup, by each engine | goes on, or fails in a sentence and leaves nothing; the next one is whole |
| a preview | goes on, or fails in a sentence; the target is as it was |
| a restore, a mirror | goes on, or stops in a sentence; the target is a primary, and the same again completes it |
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.scenes import one_sentence
from tests.support.backups import asking
from tests.support.processes import eventually
from tests.support.servers import Binary, Server, binaries
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.progress import Progress, silent
from worker.repository import catalogue
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.storage.local import Folder

IDLE_SECONDS = 1
KEYS, VALUE_BYTES = 10_000, 2000
"""More than what the kernel takes for us while we read nothing."""
OLDEST, NEWEST = (choose(binaries(), key=lambda one: one.release) for choose in (min, max))


@dataclass
class Pause:
    """A Progress that stands still, once something was done and somebody is connected, until the proxy has closed a connection."""

    line: Line
    over: bool = False

    def __call__(self, phase: str, current: int, total: int | None, unit: str) -> None:  # noqa: ARG002 - as every Progress
        if current and not self.over and self.line.connections:
            self.over = True
            eventually(lambda: self.line.idled, "the proxy to close what is idle")


def came_to_its_end(work: Callable[[Progress], object], line: Line) -> bool:
    """Whether it goes on after a pause; else it says in one sentence why not."""
    line.close_idle(IDLE_SECONDS)
    pause = Pause(line)
    try:
        work(pause)
    except BackupSystemError as error:
        one_sentence(error, "")
        return False
    finally:
        assert pause.over
        line.heal()
    return True


def fill(server: Server) -> None:
    asking(server).execute_command("DEBUG", "POPULATE", KEYS, "key", VALUE_BYTES)


@pytest.fixture(params=[pytest.param(OLDEST, marks=pytest.mark.slow), NEWEST], ids=str)
def either(request: pytest.FixtureRequest) -> Binary:
    """The oldest server, and the newest one."""
    binary: Binary = request.param
    return binary


def engines() -> list[Any]:
    return ["replication", *(pytest.param(one, marks=pytest.mark.slow) for one in ("scan", "typed", "auto"))]


@pytest.mark.parametrize("engine", engines())
def test_a_backup(engine: Any, either: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path) -> None:
    source = start_server(either)
    fill(source)
    line, storage = wire_to(source), tmp_path / "backups"
    settings = Settings(redis_url=line.url, backup_storage=str(storage))
    arguments = BackupArguments(engine=engine, format="json" if engine == "typed" else "rdb")
    whole = came_to_its_end(lambda progress: backup(settings, arguments, progress), line)
    assert len(catalogue.read(Folder(storage)).backups) == whole
    assert backup(settings, arguments, silent)["keys"] == KEYS
    assert [one.keys for one in catalogue.read(Folder(storage)).backups] == [KEYS] * (1 + whole)
    eventually(lambda: source.client().info("replication")["connected_slaves"] == 0, "the server to be rid of us")


def ways() -> list[Any]:
    slow = [("skip", "new"), ("overwrite", "differs"), ("mirror", "new"), ("mirror", "differs")]
    return [("overwrite", "new"), *(pytest.param(*one, marks=pytest.mark.slow) for one in slow)]


@pytest.mark.parametrize(("mode", "what"), ways())
def test_a_preview_and_a_restore(
    mode: Any, what: str, either: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> None:
    source, target = start_server(either), start_server(either)
    fill(source)
    backup(Settings(redis_url=source.url, backup_storage=str(tmp_path)), BackupArguments(engine="replication"), silent)
    if what == "differs":
        fill(target)
        target.client().mset({f"key:{number}": "another" for number in range(0, KEYS, 7)})
    before, line = state(target), wire_to(target)
    settings = Settings(redis_url=line.url, backup_storage=str(tmp_path))
    came_to_its_end(lambda progress: preview(settings, PreviewArguments(name="latest", mode=mode), progress), line)
    assert_same(before, state(target))
    given = RestoreArguments(name="latest", mode=mode)
    if came_to_its_end(lambda progress: restore(settings, given, progress), line):
        assert_same(target, source)
    assert target.client().info("replication")["role"] == "master"
    restore(settings, given, silent)
    assert_same(target, source)
