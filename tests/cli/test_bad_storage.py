"""A storage that is full, read-only or no folder: what was there stays."""

import contextlib
import ctypes
import re
import resource
import signal
from collections.abc import Iterator
from os import urandom
from pathlib import Path

import pytest

from tests.cli.house import House
from tests.support.backups import take
from tests.support.processes import listing


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_no_space_leaves_what_was_there(data_format: str, house: House) -> None:
    house.source.client().set("noise", urandom(1 << 20))
    house.preexec = _small_files
    house.refuses("backup", "--format", data_format, words="is full .*: free some space")


@pytest.mark.slow
def test_an_export_without_space_leaves_nothing(house: House) -> None:
    house.source.client().set("noise", urandom(1 << 20))
    take(house.source, house.shell.storage)
    house.preexec = _small_files
    house.refuses("export", "latest", "-o", "copy.json", words="is full")
    assert not list(house.folder.glob("*copy.json*"))


def _without_roots_privilege() -> None:
    """Make root obey the rights of folders: CAP_DAC_OVERRIDE leaves the bounding set, and is gone with exec."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.fixture
def unprivileged(house: House) -> House:
    """A house whose commands are not root's."""
    house.shell.forked = False
    house.preexec = _without_roots_privilege
    return house


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o700)


READ_ONLY = [("backup",), ("prune", "--keep", "1"), ("delete", "{}"), ("adopt", "dump.rdb")]


@pytest.mark.parametrize("command", READ_ONLY, ids=lambda command: str(command[0]))
def test_a_read_only_folder_stays_as_it_is(command: tuple[str, ...], unprivileged: House) -> None:
    house = unprivileged
    take(house.source, house.shell.storage)
    house.source.client().save()
    (house.folder / "dump.rdb").write_bytes((house.source.folder / "dump.rdb").read_bytes())
    with _read_only(house.shell.storage):
        arguments = [word.format(house.name) for word in command]
        house.refuses(*arguments, words=r"cannot be (written|changed) \(Permission denied\): check the folder")


@pytest.mark.slow
def test_a_restore_that_keeps_nothing_needs_no_right_to_write_in_the_storage(unprivileged: House) -> None:
    house, client = unprivileged, unprivileged.source.client()
    client.delete("key:7")
    before = listing(house.shell.storage)
    with _read_only(house.shell.storage):
        overwrite = ("restore", "latest", "--mode", "overwrite", "--yes")
        house.refuses(*overwrite, words="cannot be written .*Nothing was restored, .*BACKUP_UNDO_DAYS=0")
        added = house.run("restore", "latest")
        assert (added.code, client.exists("key:7")) == (0, 1), added.err
        assert re.search(r"Note: This restore cannot be undone: .* cannot be written \(Permission denied\)", added.err)
        house.settings["BACKUP_UNDO_DAYS"] = "0"
        replaced = house.run(*overwrite, "--json")
        assert (replaced.code, replaced.data["restored"]) == (0, 50), replaced.err
        verified = house.run("verify", house.name)
        assert (verified.code, f"Note: That could not be noted beside {house.name}." in verified.err) == (0, True)
    assert listing(house.shell.storage) == before


@pytest.mark.parametrize(
    ("verb", "storage"),
    [("backup", "file"), ("list", "file"), ("prune", "file"), ("backup", "file/within"), ("backup", "/proc/within")],
)
def test_a_storage_that_cannot_be_a_folder_is_named(verb: str, storage: str, house: House) -> None:
    (house.folder / "file").write_text("not a folder")
    house.settings["BACKUP_STORAGE"] = storage
    house.refuses(verb, words=rf"The storage {storage} cannot be ")
