"""Whoever dies, stands still or is full on the way to a server of SFTP: nothing half is listed, and what is old stays whole."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.disks import read_only, small_disk
from tests.faults.freezer import Freezer, family
from tests.storage.folders import NAME, OTHER, record
from tests.support.processes import environment, eventually
from tests.support.sftp import Sshd
from worker.config.rclone import RcloneLogins
from worker.errors import StorageError, StorageUnavailableError
from worker.repository import catalogue
from worker.storage.cache import Cache
from worker.storage.rclone import process
from worker.storage.rclone.bucket import RcloneBucket
from worker.storage.rclone.remotes import place_at
from worker.storage.remote import LEFT_AFTER, Remote

SIZE = 100 << 20
WRITING = """
import sys
from worker.storage import open_storage
with open_storage(sys.argv[1]).draft([sys.argv[2]]) as draft:
    draft.write(bytes(int(sys.argv[3])))
    draft.publish()
"""


@pytest.fixture
def own_server(tmp_path: Path, sftp: Sshd) -> Iterator[Sshd]:
    """One that may be killed; it lets the same keys in."""
    server = Sshd(tmp_path / "sshd", known=sftp.known_hosts)
    (server.folder / "authorized_keys").write_text((sftp.folder / "client.pub").read_text())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def far(own_server: Sshd, there: Path, tmp_path: Path) -> Remote:
    address = own_server.address(there)
    return Remote(tried_again(address, 0.2, 0.5), Cache(tmp_path / "cache", 1 << 20), address)


def tried_again(address: str, *pauses: float) -> RcloneBucket:
    return RcloneBucket(address, place_at(address, RcloneLogins()), pauses)


def write(storage: Remote, size: int = SIZE) -> None:
    with storage.draft([NAME]) as draft:
        draft.write(bytes(size))
        draft.publish()


def is_on_its_way(folder: Path) -> bool:
    """Whether some of it is there, and not all."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.name.startswith(f".{NAME}.") and path.name != f".{NAME}.partial":
                return 1 << 20 < path.stat().st_size < SIZE
    return False


def while_it_is_sent(storage: Remote, folder: Path, act: Callable[[], object]) -> BaseException | None:
    """What writing comes to, where that is done once a part of the file is there."""
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, storage)
        assert eventually(lambda: writing.done() or is_on_its_way(folder), "a part of the file")
        assert not writing.done()
        act()
        return writing.exception(120)


def shown(storage: Remote) -> list[str]:
    return [file.name for file in storage.files()]


def of_rclone(pid: int) -> list[int]:
    """The shell that keeps it, and it."""
    return [one for one in family(pid)[1:] if b"rcd" in command(one)]


def command(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@pytest.mark.slow
def test_kill_9_of_who_writes_ends_rclone_too_and_a_day_later_nothing_is_left(
    in_sftp: Remote, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(in_sftp, OTHER)
    env = environment(BACKUP_CACHE=str(tmp_path / "cache"), TMPDIR=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", WRITING, in_sftp.place, NAME, str(SIZE)], env=env)
    assert eventually(lambda: is_on_its_way(there), "a part of the file")
    started = of_rclone(child.pid)
    assert started
    child.kill()
    child.wait(10)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "the end of rclone")
    assert eventually(lambda: not [*tmp_path.glob("rclone-*")], "its folder to go")
    assert NAME not in shown(in_sftp)
    assert [one.name for one in catalogue.read(in_sftp).backups] == [OTHER]
    assert in_sftp.sweep({OTHER, f"{OTHER}.manifest.json"}) == []
    monkeypatch.setattr("worker.storage.remote.LEFT_AFTER", -LEFT_AFTER)
    assert len(in_sftp.sweep({OTHER, f"{OTHER}.manifest.json"})) == 2
    assert sorted(os.listdir(there)) == [OTHER, f"{OTHER}.manifest.json"]
    assert in_sftp.read(OTHER) == OTHER.encode()


@pytest.mark.slow
def test_kill_9_of_rclone_is_made_good_by_another(own_rclone: None, far: Remote, there: Path) -> None:
    started = of_rclone(os.getpid())

    def kill() -> None:
        for pid in of_rclone(os.getpid()):
            os.kill(pid, signal.SIGKILL)

    assert while_it_is_sent(far, there, kill) is None
    assert started != of_rclone(os.getpid())
    assert sorted(os.listdir(there)) == [NAME]
    assert (there / NAME).stat().st_size == SIZE


@pytest.mark.slow
def test_a_server_whose_sessions_are_killed_is_sent_it_again(far: Remote, own_server: Sshd, there: Path) -> None:
    def kill() -> None:
        for pid in family(own_server.processes[0].pid)[1:]:
            os.kill(pid, signal.SIGKILL)

    assert while_it_is_sent(far, there, kill) is None
    assert NAME in shown(far)
    assert (there / NAME).stat().st_size == SIZE


@pytest.mark.slow
def test_a_server_that_is_gone_shows_nothing_half_when_it_is_back(far: Remote, own_server: Sshd, there: Path) -> None:
    record(far, OTHER)

    def kill() -> None:
        for pid in reversed(family(own_server.processes[0].pid)):
            os.kill(pid, signal.SIGKILL)

    failed = while_it_is_sent(far, there, kill)
    assert isinstance(failed, StorageUnavailableError), failed
    with pytest.raises(StorageUnavailableError, match="cannot be reached"):
        far.files()
    own_server.start()
    assert [one.name for one in catalogue.read(far).backups] == [OTHER]
    assert NAME not in shown(far)
    assert far.read(OTHER) == OTHER.encode()


@pytest.fixture
def impatient(own_rclone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An rclone of this test's that waits for two seconds only."""
    monkeypatch.setitem(process._LIMITS, "RCLONE_TIMEOUT", "2s")
    monkeypatch.setitem(process._LIMITS, "RCLONE_CONTIMEOUT", "2s")


@pytest.mark.slow
def test_a_server_that_stands_still_is_waited_for_no_longer_than_said(
    impatient: None, far: Remote, own_server: Sshd, there: Path, freezer: Freezer
) -> None:
    failed = while_it_is_sent(far, there, lambda: freezer.freeze(own_server.processes[0].pid, whole=True))
    assert isinstance(failed, StorageUnavailableError), failed
    freezer.thaw(own_server.processes[0].pid, whole=True)
    assert NAME not in shown(far)


def test_a_disk_that_is_full_there_is_said(far: Remote, there: Path, own_server: Sshd, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 4 << 20):
        address = own_server.address(tmp_path / "small")
        storage = Remote(tried_again(address), Cache(tmp_path / "cache", 1 << 20), address)
        record(storage, OTHER)
        with pytest.raises(StorageError, match="most often its disk is full"):
            write(storage, 10 << 20)
        assert [one.name for one in catalogue.read(storage).backups] == [OTHER]
        assert sorted(os.listdir(tmp_path / "small")) == [OTHER, f"{OTHER}.manifest.json"]


def test_a_folder_that_may_not_be_written_is_said(far: Remote, there: Path) -> None:
    record(far, OTHER)
    with read_only(there):
        with pytest.raises(StorageError, match=r"does not let us write|has failed to write"):
            write(far, 10)
        assert [one.name for one in catalogue.read(far).backups] == [OTHER]
    write(far, 10)


def test_many_at_once_share_one_rclone(far: Remote, own_server: Sshd) -> None:
    record(far, OTHER)
    started = of_rclone(os.getpid())
    together = threading.Barrier(16)

    def read(_: int) -> bytes:
        together.wait(30)
        return far.read(OTHER)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(read, range(16))) == {OTHER.encode()}
    assert of_rclone(os.getpid()) == started
