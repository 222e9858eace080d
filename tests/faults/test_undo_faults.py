"""An undo that is broken off, at each step and in each mode: run again, the target is what it was before the restore.

| fault | moment | outcome of the first | outcome of the second |
|---|---|---|---|
| our process is killed | checking, at a key | nothing lost | complete |
| our process is frozen | writing, deleting | complete | - |
| the target is killed | reading, writing, deleting | failed, with counts | complete |
| the connection is cut, half open | reading, writing, deleting | failed, with counts | complete |
| no room for temporary files | before | refused, the target untouched | complete |
| the storage takes nothing | at the end | complete, with a warning | - |
| what was kept, or the backup, is damaged, short, gone | before | refused, the target untouched | - |
"""

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.disks import read_only, small_disk
from tests.faults.fixtures import WireTo
from tests.faults.freezer import Freezer
from tests.faults.line import Line
from tests.faults.moments import Asked, Moment, Reply
from tests.faults.scenes import by_way_of
from tests.faults.sweeps import sweep
from tests.support.backups import eventually, kill_myself, killed
from tests.support.processes import PYTHON, Background, environment
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import ArtifactError, BackupSystemError, NotFoundError, StorageError, TargetUnavailableError
from worker.progress import Progress, silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.restore.restore import restore
from worker.restore.undo.undo import check_complete, undo
from worker.storage.local import Folder

KEYS = 2000
SURVIVING = ("--appendonly", "yes", "--appendfsync", "always")


@dataclass(frozen=True)
class Way:
    """How the restore was made that is undone."""

    mode: str
    format: str

    def __str__(self) -> str:
        return f"{self.mode}-{self.format}"


WAYS = [
    Way("skip", "rdb"),
    Way("overwrite", "rdb"),
    Way("mirror", "rdb"),
    Way("overwrite", "json"),
    Way("mirror", "json"),
]
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


@dataclass
class Restored:
    """A target that was restored into by way of a line, and what it held before."""

    target: Server
    line: Line
    storage: Path
    before: State

    @property
    def settings(self) -> Settings:
        return by_way_of(self.line, self.storage)

    @property
    def kept(self) -> Manifest:
        return catalogue.read(Folder(self.storage)).undos[0]

    def undo(self, progress: Progress = silent) -> dict[str, Any]:
        report = undo(self.settings, UndoArguments(run=self.kept.name), progress)
        check_complete(report)
        return report

    def fails(self) -> BackupSystemError:
        with pytest.raises(BackupSystemError) as caught:
            self.undo()
        assert re.fullmatch(r"[A-Z][^\n]*[.?]", str(caught.value))
        return caught.value

    def completes(self) -> None:
        """Once more, undisturbed."""
        self.line.heal()
        self.undo()
        assert_same(self.before, state(self.target))


Restore = Callable[[Way], Restored]


@pytest.fixture
def restored(newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path) -> Restore:
    """Makes a restore of each kind of change: keys that were replaced, created, deleted."""

    def make(way: Way) -> Restored:
        target = start_server(newest, *SURVIVING)
        client = target.client()
        client.mset({f"key:{number}": f"value {number}" for number in range(KEYS)})
        client.rpush("list", *range(1000))
        made = Restored(target, wire_to(target), tmp_path / "storage", state(target))
        backup(made.settings, BackupArguments.model_validate({"format": way.format}), silent)
        # Since then some were changed, some have gone, and some are new.
        client.mset({f"key:{number}": "since" for number in range(0, KEYS, 3)})
        client.delete(*(f"key:{number}" for number in range(1, KEYS, 3)))
        client.mset({f"new:{number}": "x" for number in range(500)})
        client.lpop("list", 10)
        made.before = state(target)
        # What is narrowed is restored key by key in a mirror, too.
        told = {"name": "latest", "mode": way.mode, "exclude": ["nothing"]}
        restore(made.settings, RestoreArguments.model_validate(told), silent)
        return made

    return make


@pytest.mark.sweep
@each_way
@pytest.mark.parametrize("step", ["checking", "undoing"])
def test_our_process_is_killed(step: str, way: Way, restored: Restore) -> None:
    made = restored(way)

    def progress(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == step and (step != "undoing" or current >= 500):
            kill_myself()

    assert killed(lambda: made.undo(progress))
    assert catalogue.read(Folder(made.storage)).undos == [made.kept]
    made.completes()


MOMENTS: list[tuple[Way, Moment]] = [
    (WAYS[0], Reply(b"UNLINK", 1)),
    (WAYS[1], Reply(b"RESTORE", 400)),
    (WAYS[2], Asked(b"SCAN", 1)),
    (WAYS[4], Reply(b"RESTORE", 400)),
    (WAYS[0], Asked(b"DUMP", 500)),
    (WAYS[1], Reply(b"DUMP", 700)),
    (WAYS[1], Asked(b"UNLINK", 2)),
    (WAYS[1], Asked(b"RESTORE", 2)),
    (WAYS[2], Reply(b"RESTORE", 400)),
    (WAYS[3], Reply(b"RESTORE", 400)),
    (WAYS[3], Reply(b"UNLINK", 2)),
]
each_moment = sweep("way, moment", MOMENTS, quick=4)


@each_moment
def test_the_target_is_killed(way: Way, moment: Moment, restored: Restore) -> None:
    made = restored(way)
    fault = made.line.call(moment, made.target.kill)
    error = made.fails()
    assert fault.happened
    assert isinstance(error, TargetUnavailableError)
    made.target.start()
    eventually(lambda: not made.target.client().info("persistence")["loading"])
    made.completes()


@pytest.mark.sweep
@each_moment
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_the_connection_is_cut(reset: bool, way: Way, moment: Moment, restored: Restore) -> None:
    made = restored(way)
    fault = made.line.cut(moment, reset=reset)
    error = made.fails()
    assert fault.happened
    assert isinstance(error, TargetUnavailableError)
    made.completes()


@pytest.mark.sweep
@each_moment
@pytest.mark.usefixtures("impatient")
def test_the_connection_is_half_open(way: Way, moment: Moment, restored: Restore) -> None:
    made = restored(way)
    fault = made.line.half_open(moment)
    error = made.fails()
    assert fault.happened
    assert "did not answer in time" in str(error)
    made.completes()


@pytest.mark.sweep
@each_moment
def test_our_process_is_frozen_for_a_while(
    way: Way, moment: Moment, restored: Restore, freezer: Freezer, tmp_path: Path
) -> None:
    made = restored(way)
    env = environment(REDIS_URL=made.line.url, BACKUP_STORAGE=str(made.storage), BACKUP_PACE="full")
    pids: list[int] = []
    fault = made.line.call(moment, lambda: freezer.freeze(*pids, whole=True))
    process = Background(*PYTHON, "undo", made.kept.name, "--yes", env=env, cwd=tmp_path)
    pids.append(process.process.pid)
    try:
        fault.wait()
        freezer.thaw(*pids, whole=True)
        assert process.process.wait(60) == 0, process.said
    finally:
        process.stop()
    assert_same(made.before, state(made.target))


def test_there_is_no_room_for_what_waits_on_disk(
    restored: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way("overwrite", "rdb")
    made = restored(way)
    # So large that it is put aside.
    made.target.client().set("key:0", os.urandom(17 << 20))
    made.before = state(made.target)
    restore(made.settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    after = state(made.target)
    with small_disk(tmp_path / "scratch", 4 << 20), monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
        error = made.fails()
        assert os.listdir(tmp_path / "scratch") == []
    assert isinstance(error, StorageError)
    assert "free some space, or set TMPDIR" in str(error)
    assert_same(after, state(made.target))
    made.completes()


@each_way
def test_the_storage_takes_no_note_of_it(way: Way, restored: Restore) -> None:
    made = restored(way)
    with read_only(made.storage):
        report = made.undo()
    assert report["warnings"]
    assert_same(made.before, state(made.target))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a-bit-flipped": lambda path: path.write_bytes(_flipped(path.read_bytes())),
    "cut-short": lambda path: os.truncate(path, path.stat().st_size - 20),
    "empty": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "gone": lambda path: path.unlink(),
}


def _flipped(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


@pytest.mark.sweep
@pytest.mark.parametrize("way", [WAYS[1], WAYS[4]], ids=str)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("what", ["what-was-kept", "the-backup"])
def test_what_is_needed_is_damaged(what: str, damage: str, way: Way, restored: Restore) -> None:
    made = restored(way)
    name = made.kept.name if what == "what-was-kept" else str(made.kept.restored)
    after = state(made.target)
    run = made.kept.name
    DAMAGES[damage](made.storage / name)
    with pytest.raises((ArtifactError, NotFoundError, StorageError)) as caught:
        undo(made.settings, UndoArguments(run=run), silent)
    assert name in str(caught.value) or "gone" in str(caught.value)
    assert_same(after, state(made.target))
