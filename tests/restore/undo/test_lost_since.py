"""An undo of a target that has lost keys, before it or meanwhile: it is not noted as made, and can be made again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import Asked, Reply
from tests.support.backups import settings_for
from tests.support.servers import Binary, Server
from tests.support.states import State, assert_same, state
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import IncompleteError, RefusedError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.restore.restore import restore
from worker.restore.undo.undo import check_complete, undo
from worker.storage.local import Folder

KEYS = 3000


class Restored:
    """A target whose keys were all replaced by those of a backup."""

    def __init__(self, target: Server, line: Line, storage: Path) -> None:
        self.target, self.line, self.storage = target, line, storage
        client = target.client()
        client.mset({f"key:{number}": "of the backup" for number in range(KEYS)})
        backup(self.settings, BackupArguments(), silent)
        client.mset({f"key:{number}": "since" for number in range(KEYS)})
        self.before: State = state(target)
        restore(self.settings, RestoreArguments(name="latest", mode="overwrite"), silent)

    @property
    def settings(self) -> Settings:
        return settings_for(self.target, self.storage, redis_url=self.line.url, backup_pace="full")

    @property
    def kept(self) -> Manifest:
        return catalogue.read(Folder(self.storage)).undos[0]

    def noted(self) -> bool:
        """Whether it is noted as made."""
        return self.kept.undone_at is not None

    def undo(self, *, force: bool = False) -> dict[str, Any]:
        return undo(self.settings, UndoArguments(run=self.kept.name, force=force), silent)

    def completes(self, *, force: bool = False) -> None:
        """All is as it was, and only now it is noted as made."""
        assert not self.noted()
        check_complete(self.undo(force=force))
        assert_same(self.before, state(self.target))
        assert self.noted()
        with pytest.raises(RefusedError, match="undone already"):
            self.undo()


@pytest.fixture
def restored(newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path) -> Restored:
    target = start_server(newest)
    return Restored(target, wire_to(target), tmp_path / "backups")


def evict(target: Server) -> None:
    """Let it throw a few keys out, and no more."""
    client = target.client()
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 20_000)
    client.ping()
    client.config_set("maxmemory", 0)
    client.close()


LOSSES: dict[str, Callable[[Server], object]] = {
    "evicted": evict,
    "flushed": lambda target: target.client().flushall(),
    "deleted": lambda target: target.client().delete("key:1", "key:2"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_had_gone_before_is_told_and_can_be_put_back(loss: str, restored: Restored) -> None:
    LOSSES[loss](restored.target)
    lost = KEYS - restored.target.client().dbsize()
    report = restored.undo()
    assert (report["missing"], report["left_alone"], report["put_back"]) == (lost, lost, KEYS - lost)
    assert any(
        words.startswith(f"{lost:,} of the keys that were left alone are not there") for words in report["warnings"]
    )
    check_complete(report)
    restored.completes(force=True)


def test_an_undo_during_which_keys_are_thrown_out_has_not_been_made(restored: Restored) -> None:
    fault = restored.line.call(Reply(b"RESTORE", nth=KEYS), lambda: evict(restored.target))
    report = restored.undo()
    assert fault.happened
    assert (report["evicted"] > 0, report["missing"]) == (True, 0)
    with pytest.raises(
        IncompleteError, match=r"threw keys out for want of memory .*: raise maxmemory, and run the same"
    ):
        check_complete(report)
    restored.completes(force=True)


def test_an_undo_during_which_all_goes_has_not_been_made(restored: Restored) -> None:
    fault = restored.line.call(Asked(b"RESTORE", nth=KEYS - 100), restored.target.client().flushall)
    report = restored.undo()
    assert fault.happened
    assert report["gone"] == report["put_back"] - restored.target.client().dbsize() > 0
    with pytest.raises(IncompleteError, match=r"FLUSHALL was called on it meanwhile, .* Run the same undo again"):
        check_complete(report)
    restored.completes(force=True)


def test_an_undo_that_finds_all_as_it_was_and_loses_it_then_has_not_been_made(restored: Restored) -> None:
    check_complete(restored.undo())
    fault = restored.line.call(Reply(b"DUMP", nth=KEYS), restored.target.client().flushall)
    catalogue.note(Folder(restored.storage), restored.kept.name, undone_at=None)
    report = restored.undo()
    assert fault.happened
    assert (report["put_back"], report["as_before"], report["missing"]) == (0, KEYS, 0)
    assert any("FLUSHALL was called on it meanwhile" in words for words in report["warnings"])
    restored.completes(force=True)
