"""On the day of disaster the storage may be read-only, or full: what needs no writing there works all the same."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.disks import fill_up, read_only, small_disk
from tests.support.backups import bring_back, each_format, files, fill_all, settings_for, take, wipe
from tests.support.processes import Shell
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.arguments.backups import VerifyArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, UndoArguments
from worker.backups.verify import verify
from worker.errors import StorageError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.preview.preview import preview
from worker.restore.undo.undo import check_complete, undo
from worker.search.search import search
from worker.storage.local import Folder

MODES = ["skip", "overwrite", "mirror"]
each_mode = pytest.mark.parametrize("mode", MODES)


@dataclass
class Disk:
    """A place for backups."""

    storage: Path
    seal: Callable[[], object]
    """From then on it takes nothing."""


@pytest.fixture(params=["read-only", "full"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    storage = tmp_path / "backups"
    with ExitStack() as stack:
        if request.param == "full":
            stack.enter_context(small_disk(storage, 8 << 20))
            yield Disk(storage, lambda: fill_up(storage))
        else:
            storage.mkdir()
            yield Disk(storage, lambda: stack.enter_context(read_only(storage)))


@each_format
def test_what_only_reads_works(data_format: str, server: Server, disk: Disk) -> None:
    name = take(fill_all(server), disk.storage, format=data_format)["name"]
    disk.seal()
    there, settings = files(disk.storage), settings_for(server, disk.storage)
    verified = verify(settings, VerifyArguments(name=name), silent)
    assert verified["keys"] == catalogue.get(Folder(disk.storage), name).keys
    assert re.fullmatch(f"That could not be noted beside {name}. The storage .*", *verified["warnings"])
    for _ in range(2):
        assert search(settings, SearchArguments(key="text"), silent)["found"]
    assert preview(settings, PreviewArguments(name=name), silent)["counts"]["differs"] == 0
    assert files(disk.storage) == there


@pytest.mark.sweep
@each_mode
@each_format
def test_a_restore_into_an_empty_target_needs_no_undo(data_format: str, mode: str, server: Server, disk: Disk) -> None:
    take(fill_all(server), disk.storage, format=data_format)
    before = state(server, times=False)
    disk.seal()
    there = files(disk.storage)
    wipe(server)
    report = bring_back(server, disk.storage, mode=mode)
    assert_same(before, state(server, times=False))
    assert report["undo"] is None
    assert any(re.match("This restore cannot be undone: .* The storage ", words) for words in report["warnings"])
    assert files(disk.storage) == there


@each_mode
def test_what_is_there_is_touched_by_no_restore_that_could_not_keep_it(mode: str, server: Server, disk: Disk) -> None:
    client = server.client()
    client.mset({f"key:{number}": "backed up" for number in range(1000)})
    take(server, disk.storage)
    disk.seal()
    client.flushall()
    client.mset({"key:7": "live", "other": "live"})
    before = state(server)
    if mode == "skip":
        report = bring_back(server, disk.storage)
        assert (report["restored"], report["skipped"], report["undo"]) == (999, 1, None)
        assert client.mget("key:7", "other") == [b"live", b"live"]
        return
    with pytest.raises(StorageError, match=r"The storage .*Nothing was restored, .*BACKUP_UNDO_DAYS=0"):
        bring_back(server, disk.storage, mode=mode)
    assert_same(server, before)


def test_keys_of_other_names_only_need_no_undo_unless_a_mirror_deletes_them(server: Server, disk: Disk) -> None:
    client = server.client()
    client.mset({f"key:{number}": "backed up" for number in range(1000)})
    take(server, disk.storage)
    disk.seal()
    client.flushall()
    client.set("other", "live")
    with pytest.raises(StorageError, match="Nothing was restored"):
        bring_back(server, disk.storage, mode="mirror")
    assert client.keys() == [b"other"]
    assert bring_back(server, disk.storage, mode="overwrite")["restored"] == 1000
    assert client.dbsize() == 1001


@pytest.mark.parametrize(("mode", "kept"), [("skip", True), ("overwrite", False), ("mirror", False)])
def test_a_function_that_would_be_replaced_is_something_to_keep(
    mode: str, kept: bool, server: Server, disk: Disk
) -> None:
    if server.binary.version < (7, 0):
        pytest.skip("it has no functions")
    client = fill_all(server).client()
    take(server, disk.storage)
    disk.seal()
    client.flushall()
    client.function_load("#!lua name=lib0\nredis.register_function('f0', function() return 2 end)", replace=True)
    if kept:
        assert bring_back(server, disk.storage, mode=mode)["undo"] is None
    else:
        with pytest.raises(StorageError, match="Nothing was restored"):
            bring_back(server, disk.storage, mode=mode)
    assert client.fcall("f0", 0) == 2


def test_an_undo_that_was_kept_before_works(server: Server, disk: Disk) -> None:
    client = server.client()
    client.mset({f"key:{number}": "backed up" for number in range(1000)})
    take(server, disk.storage)
    client.mset({"key:7": "live", "other": "live"})
    client.delete("key:8")
    before = state(server)
    kept = bring_back(server, disk.storage, mode="overwrite")["undo"]["name"]
    disk.seal()
    report = undo(settings_for(server, disk.storage), UndoArguments(run=kept), silent)
    check_complete(report)
    assert_same(server, before)
    assert re.fullmatch(f"That could not be noted beside {kept}. The storage .*", *report["warnings"])


def test_the_shell_says_so_and_exits_with_0(server: Server, disk: Disk, tmp_path: Path) -> None:
    name = take(fill_all(server), disk.storage)["name"]
    before = state(server)
    disk.seal()
    wipe(server)
    shell = Shell(server.url, disk.storage, tmp_path)
    verified = shell("verify", name)
    assert (verified.code, f"Note: That could not be noted beside {name}." in verified.err) == (0, True)
    restored = shell("restore", name)
    assert (restored.code, "Note: This restore cannot be undone" in restored.err) == (0, True)
    assert_same(server, before)
