"""A folder of backups that never shows a file before it is whole, whatever dies on the way."""

import contextlib
import errno
import os
import resource
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import ANYWHERE, bring_back, files, kill_myself, killed, manifest_of, settings_for, take
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments, DeleteArguments, PruneArguments
from worker.backups.backup import backup
from worker.backups.prune import delete, prune
from worker.config.settings import Settings
from worker.errors import NotFoundError, StorageError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.repository.notes import NOTES_SUFFIX
from worker.storage import chunks_of, open_storage
from worker.storage.local import Folder

NAME = "redis_backup_20231205_143022.rdb"
OTHER = "redis_backup_20231205_143023.rdb"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")


@pytest.fixture(autouse=True)
def ordinary_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def shown(folder: Folder) -> list[str]:
    return [file.name for file in folder.files()]


def test_nothing_is_seen_before_it_is_published(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"half ")
        assert shown(folder) == []
        draft.write(b"and half")
        with pytest.raises(NotFoundError):
            folder.open(NAME)
        draft.publish()
        assert folder.read(NAME) == b"half and half"
    assert files(folder.path) == [NAME]
    assert [(file.name, file.size) for file in folder.files()] == [(NAME, 13)]


def test_only_the_owner_may_read(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"secret")
        assert [mode(path) for path in folder.path.iterdir()] == [0o600]
        draft.publish()
    folder.put(NAME + MANIFEST_SUFFIX, b"{}")
    folder.put(NAME + MANIFEST_SUFFIX, b"{ }", replace=True)
    assert mode(folder.path) == 0o700
    assert {mode(path) for path in folder.path.iterdir()} == {0o600}


def test_what_was_not_published_is_gone(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"x")
    assert files(folder.path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_was_published_is_taken_back_when_the_work_fails_afterwards(
    error: type[BaseException], folder: Folder
) -> None:
    def work() -> None:
        with folder.draft([NAME]) as draft:
            draft.publish()
            raise error

    with pytest.raises(error):
        work()
    assert files(folder.path) == []


def test_a_file_is_never_overwritten(folder: Folder) -> None:
    folder.put(NAME, b"first")
    with pytest.raises(StorageError, match="No free name"):
        folder.put(NAME, b"second")
    with folder.draft([OTHER]) as draft:
        (folder.path / OTHER).write_bytes(b"somebody was quicker")
        with pytest.raises(FileExistsError):
            draft.publish()
    assert folder.read(NAME) == b"first"
    assert folder.read(OTHER) == b"somebody was quicker"
    assert files(folder.path) == [NAME, OTHER]


def test_two_drafts_of_one_second_get_names_of_their_own(folder: Folder) -> None:
    with folder.draft([NAME, OTHER]) as one, folder.draft([NAME, OTHER]) as two:
        assert (one.name, two.name) == (NAME, OTHER)
        one.write(b"one")
        two.write(b"two")
        one.publish()
        two.publish()
    assert (folder.read(NAME), folder.read(OTHER)) == (b"one", b"two")


def test_replacing_shows_the_old_or_the_new_and_never_nothing(folder: Folder) -> None:
    folder.put(NAME, b"old")
    with folder.open(NAME) as opened:
        folder.put(NAME, b"new", replace=True)
        assert opened.read() == b"old"
    assert folder.read(NAME) == b"new"
    assert files(folder.path) == [NAME]


def test_a_file_that_is_being_read_survives_its_deletion(folder: Folder) -> None:
    folder.put(NAME, b"x" * 1_000_000)
    folder.put(NAME + MANIFEST_SUFFIX, b"{}")
    with folder.open(NAME) as file:
        folder.delete(NAME + MANIFEST_SUFFIX, [NAME])
        assert sum(map(len, chunks_of(file))) == 1_000_000
    assert files(folder.path) == []


def test_no_link_is_followed(folder: Folder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not yours")
    folder.put(OTHER, b"x")
    (folder.path / NAME).symlink_to(secret)
    assert shown(folder) == [OTHER]
    with pytest.raises(NotFoundError):
        folder.open(NAME)
    with pytest.raises(StorageError):
        folder.put(NAME, b"over it")
    assert secret.read_bytes() == b"not yours"


def test_a_draft_is_not_written_through_a_link(folder: Folder, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    folder.put(OTHER, b"x")
    (folder.path / f".{NAME}.partial").symlink_to(victim)
    with pytest.raises(StorageError):
        folder.put(NAME, b"x")
    assert not victim.exists()


def test_folders_and_odd_names_are_no_files(folder: Folder) -> None:
    folder.put(NAME, b"x")
    (folder.path / "lost+found").mkdir()
    (folder.path / "a_folder").mkdir()
    (folder.path / "Ünlesbar\n").write_bytes(b"x")
    (folder.path / "UPPER").write_bytes(b"x")
    assert shown(folder) == [NAME]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", ".hidden", "a\n", "a\x00b", "A", "a" * 129]
)
def test_a_name_that_leaves_the_folder_is_not_found(name: str, folder: Folder, tmp_path: Path) -> None:
    folder.put(NAME, b"x")
    with pytest.raises(NotFoundError):
        folder.open(name)
    with pytest.raises(NotFoundError):
        folder.read(name)
    with pytest.raises(NotFoundError):
        folder.delete(name, [NAME])
    with pytest.raises(NotFoundError):
        folder.delete(NAME, [name])
    assert files(folder.path) == [NAME]


def test_a_small_file_that_is_large_is_not_read_whole(folder: Folder) -> None:
    folder.put(NAME, b"x" * 100)
    with pytest.raises(StorageError, match="larger"):
        folder.read(NAME, limit=99)
    assert len(folder.read(NAME, limit=100)) == 100


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, _socket])
def test_what_is_no_file_is_not_found_and_not_waited_for(
    make: Callable[[Path], None], folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    make(Path(NAME))
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotFoundError, match=f"There is no file .*{NAME}, but something else of that name"):
        Folder(Path()).open(NAME)
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_storage_that_cannot_be_looked_into_has_no_free_bytes_to_tell(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be looked into"):
        Folder(tmp_path / ("x" * 300) / "backups").free_bytes()


def test_a_folder_is_named_plainly_or_as_a_url(tmp_path: Path) -> None:
    assert open_storage(str(tmp_path)) == open_storage(f"file://{tmp_path}") == Folder(tmp_path)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    missing = Folder(tmp_path / "missing")
    assert missing.files() == []
    assert missing.sweep(set()) == []
    assert missing.free_bytes() > 0
    assert files(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="storage"):
            Folder(place).put(NAME, b"x")


def test_a_read_only_folder_is_said(source: Server) -> None:
    with pytest.raises(StorageError, match=r"cannot be written|cannot be"):
        take(source, Path("/proc/backups"))


def record(folder: Folder, name: str) -> None:
    """A backup, the way a run makes one."""
    with folder.draft([name]) as draft:
        draft.write(name.encode())
        draft.publish()
        catalogue.add(folder, manifest_of(name, name.encode()))


def dying(call: str, nth: int) -> None:
    """From now on this process is killed right before the nth time that it calls this function of `os`."""
    real, calls = getattr(os, call), count(1)

    def instead(*arguments: Any, **more: Any) -> Any:
        if next(calls) == nth:
            kill_myself()
        return real(*arguments, **more)

    setattr(os, call, instead)


STEPS = ["open", "write", "fsync", "link", "rename", "unlink", "close"]


def sweep(folder: Folder) -> dict[str, Any]:
    return prune(settings_of(folder), PruneArguments(), silent)


def settings_of(folder: Folder) -> Settings:
    return Settings(backup_storage=str(folder.path))


@pytest.mark.parametrize("call", STEPS)
def test_a_run_killed_at_any_step_leaves_a_whole_backup_or_nothing(call: str, folder: Folder) -> None:
    record(folder, OTHER)
    deaths = 0
    for nth in range(1, 30):

        def work(nth: int = nth) -> None:
            dying(call, nth)
            record(folder, NAME)

        died = killed(work)
        deaths += died
        listed = [one.name for one in catalogue.read(folder).backups]
        assert listed in ([OTHER], [OTHER, NAME])
        sweep(folder)
        again = [one.name for one in catalogue.read(folder).backups]
        assert again == listed, f"sweeping after {call} {nth} took a backup away"
        assert files(folder.path) == sorted(part for name in listed for part in (name, name + MANIFEST_SUFFIX))
        if NAME in listed:
            catalogue.remove(folder, NAME)
        if not died:
            break
    assert deaths >= (call != "rename")
    assert not died


@pytest.mark.parametrize("call", STEPS)
def test_a_deletion_killed_at_any_step_is_ended_by_the_next_prune(call: str, folder: Folder) -> None:
    record(folder, OTHER)
    deaths = 0
    for nth in range(1, 30):
        record(folder, NAME)

        def work(nth: int = nth) -> None:
            dying(call, nth)
            catalogue.remove(folder, NAME)

        died = killed(work)
        deaths += died
        listed = [one.name for one in catalogue.read(folder).backups]
        assert listed in ([OTHER], [OTHER, NAME])
        sweep(folder)
        assert [one.name for one in catalogue.read(folder).backups] == listed
        assert files(folder.path) == sorted(part for name in listed for part in (name, name + MANIFEST_SUFFIX))
        if NAME in listed:
            catalogue.remove(folder, NAME)
        if not died:
            break
    assert deaths >= (call in ("fsync", "rename", "unlink"))
    assert not died


@pytest.mark.parametrize("call", STEPS)
@pytest.mark.parametrize("first", [True, False])
def test_notes_written_by_a_run_that_is_killed_are_the_old_or_the_new(first: bool, call: str, folder: Folder) -> None:
    record(folder, NAME)
    if not first:
        catalogue.note(folder, NAME, pinned=False)
    old = catalogue.get(folder, NAME, ANYWHERE)
    new = old.model_copy(update={"pinned": True, "pin_reason": "the last good one"})
    for nth in range(1, 30):

        def work(nth: int = nth) -> None:
            dying(call, nth)
            catalogue.note(folder, NAME, pinned=True, pin_reason="the last good one")

        died = killed(work)
        assert catalogue.get(folder, NAME, ANYWHERE) in (old, new)
        sweep(folder)
        assert set(files(folder.path)) - {NAME + NOTES_SUFFIX} == {NAME, NAME + MANIFEST_SUFFIX}
        assert catalogue.get(folder, NAME, ANYWHERE) in (old, new)
        if not died:
            break
    assert not died
    assert catalogue.get(folder, NAME, ANYWHERE) == new


def test_the_draft_of_a_run_that_lives_is_left_alone(folder: Folder) -> None:
    with folder.draft([NAME]) as draft:
        draft.write(b"still at it")
        assert sweep(folder)["swept"] == []
        draft.publish()
        assert sweep(folder)["swept"] == []
        catalogue.add(folder, manifest_of(NAME, b"still at it"))
    assert files(folder.path) == [NAME, NAME + MANIFEST_SUFFIX]
    assert folder.read(NAME) == b"still at it"


def test_a_dry_run_sweeps_nothing_and_says_the_same(folder: Folder) -> None:
    def work() -> None:
        with folder.draft([NAME]) as draft:
            draft.write(b"x")
            kill_myself()

    assert killed(work)
    before = files(folder.path)
    said = prune(settings_of(folder), PruneArguments(dry_run=True), silent)["swept"]
    assert files(folder.path) == before
    assert sweep(folder)["swept"] == said == [f".{NAME}.partial"]
    assert files(folder.path) == []


def test_a_killed_draft_of_a_name_that_was_taken_since_goes_alone(folder: Folder) -> None:
    def work() -> None:
        with folder.draft([NAME]) as draft:
            draft.write(b"x")
            kill_myself()

    assert killed(work)
    (folder.path / NAME).write_bytes(b"somebody else's")
    assert sweep(folder)["swept"] == [f".{NAME}.partial"]
    assert folder.read(NAME) == b"somebody else's"


OTHERS = ["dump.rdb", ".bashrc", ".notes.txt.swp", "notes.partial", "x.deleting", "photo.jpg", "redis_backup.rdb", "Z"]


def test_other_peoples_files_are_never_touched(folder: Folder) -> None:
    folder.path.mkdir()
    for name in OTHERS:
        (folder.path / name).write_bytes(name.encode())
    for minute in range(5):
        record(folder, f"redis_backup_20231205_14302{minute}.rdb")
    result = prune(settings_of(folder), PruneArguments(keep=1), silent)
    assert len(result["deleted"]) == 4
    assert result["swept"] == []
    kept = "redis_backup_20231205_143024.rdb"
    assert files(folder.path) == sorted([*OTHERS, kept, kept + MANIFEST_SUFFIX])
    assert all((folder.path / name).read_bytes() == name.encode() for name in OTHERS)


def test_a_deletion_by_hand_takes_exactly_that_backup(folder: Folder) -> None:
    record(folder, NAME)
    record(folder, OTHER)
    assert delete(settings_of(folder), DeleteArguments(name=NAME)) == {"deleted": NAME}
    assert files(folder.path) == [OTHER, OTHER + MANIFEST_SUFFIX]
    with pytest.raises(NotFoundError):
        delete(settings_of(folder), DeleteArguments(name=NAME))


@contextlib.contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> Iterator[None]:
    """The operating system fails this call."""

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        yield


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_fails_leaves_nothing(
    call: str, number: int, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(folder, OTHER)
    with failing(monkeypatch, call, number), pytest.raises(StorageError) as caught:
        record(folder, NAME)
    assert ("is full" in str(caught.value)) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert files(folder.path) == [OTHER, OTHER + MANIFEST_SUFFIX]


def large(server: Server) -> Server:
    for number in range(4):
        server.client().set(f"key:{number}", os.urandom(1 << 20))
    return server


def test_a_file_that_may_not_grow_leaves_nothing_of_a_backup(source: Server, tmp_path: Path) -> None:
    large(source)
    said = tmp_path / "said"

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            take(source, tmp_path / "backups")
        except StorageError as error:
            said.write_text(str(error))

    assert not killed(work)
    assert "is full" in said.read_text()
    assert files(tmp_path / "backups") == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("to mount a small file system is not permitted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_leaves_what_was_there_and_nothing_else(source: Server, tiny: Path) -> None:
    source.client().set("small", "x")
    take(source, tiny)
    kept = {name: (tiny / name).read_bytes() for name in files(tiny)}
    before = state(source)
    large(source)
    with pytest.raises(StorageError, match="is full"):
        take(source, tiny)
    assert {name: (tiny / name).read_bytes() for name in files(tiny)} == kept
    source.client().flushall()
    bring_back(source, tiny)
    assert_same(source, before)


def test_a_disk_with_plainly_too_little_room_is_refused_at_once(source: Server, tiny: Path) -> None:
    source.client().set("half", os.urandom(700_000))
    take(source, tiny)
    before = files(tiny)
    full_syncs = source.client().info("stats")["sync_full"]
    with pytest.raises(StorageError, match=r"bytes free, and the last backup took"):
        take(source, tiny)
    assert source.client().info("stats")["sync_full"] == full_syncs
    assert files(tiny) == before


def test_two_runs_at_once_make_two_backups(source: Server, tmp_path: Path) -> None:
    source.client().set("k", "v")
    nested: list[dict[str, Any]] = []

    def another(phase: str, current: int, total: int | None, unit: str) -> None:
        if not nested:
            nested.append({})
            nested[0] = take(source, tmp_path)

    outer = backup(settings_for(source, tmp_path), BackupArguments(), another)
    assert outer["name"] != nested[0]["name"]
    assert len(catalogue.read(Folder(tmp_path)).backups) == 2
