"""A server of WebDAV: by its password, over TLS of one's own authority, and killed in the middle."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.freezer import family
from tests.storage.folders import NAME, OTHER, record
from tests.support.certificates import Authority, terminated
from tests.support.processes import CANARY, eventually
from tests.support.webdav import WebDav
from worker.config.rclone import RcloneLogins
from worker.errors import StorageError, StorageUnavailableError
from worker.repository import catalogue
from worker.storage.cache import Cache
from worker.storage.rclone.bucket import RcloneBucket
from worker.storage.rclone.remotes import place_at
from worker.storage.remote import Remote


def hurried(address: str, tmp_path: Path) -> Remote:
    """With the credentials of now, and tried once."""
    bucket = RcloneBucket(address, place_at(address, RcloneLogins()), ())
    return Remote(bucket, Cache(tmp_path / "cache", 1 << 20), address)


def test_what_is_written_there_is_read_from_there_and_replaced(in_webdav: Remote, webdav: WebDav) -> None:
    record(in_webdav, OTHER)
    in_webdav.put(NAME, b"1")
    in_webdav.put(NAME, b"22", replace=True)
    assert in_webdav.read(NAME) == b"22"
    folder = webdav.folder / in_webdav.place.rpartition("/")[2]
    assert sorted(os.listdir(folder)) == [NAME, OTHER, f"{OTHER}.manifest.json"]


def test_a_wrong_password_is_said_and_not_shown(
    in_webdav: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBDAV_PASSWORD", f"{CANARY}2")
    with pytest.raises(
        StorageError, match="does not let us in: check the user in the address, and WEBDAV_PASSWORD"
    ) as no:
        hurried(in_webdav.place, tmp_path).files()
    assert CANARY not in str(no.value)


def test_a_folder_that_is_not_there_is_not_made(in_webdav: Remote, tmp_path: Path) -> None:
    storage = hurried(f"{in_webdav.place}/deeper", tmp_path)
    for act in (storage.files, lambda: storage.put(NAME, b"x")):
        with pytest.raises(StorageError, match="is not there: make the folder, or correct the address"):
            act()


@pytest.mark.slow
def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    in_webdav: Remote, webdav: WebDav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    record(in_webdav, OTHER)
    with terminated(webdav.port, authority) as encrypted:
        address = in_webdav.place.replace("webdav:", "webdavs:").replace(f":{webdav.port}", f":{encrypted.port}")
        with pytest.raises(StorageError, match="name that of its authority in WEBDAV_CA_BUNDLE"):
            hurried(address, tmp_path).files()
        monkeypatch.setenv("WEBDAV_CA_BUNDLE", authority.path)
        assert hurried(address, tmp_path).read(OTHER) == OTHER.encode()


@pytest.mark.slow
def test_kill_9_of_rclone_in_the_middle_shows_nothing_half(
    own_rclone: None, in_webdav: Remote, webdav: WebDav, tmp_path: Path
) -> None:
    storage, folder = hurried(in_webdav.place, tmp_path), webdav.folder / in_webdav.place.rpartition("/")[2]
    record(storage, OTHER)
    seen: list[list[str]] = []

    def write() -> None:
        with storage.draft([NAME]) as draft:
            draft.write(bytes(100 << 20))
            draft.publish(lambda: seen.append(os.listdir(folder)))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert eventually(
            lambda: any(name.startswith(f".{NAME}.") and "partial" in name for name in os.listdir(folder)), "a part"
        )
        for pid in family(os.getpid())[1:]:
            if b"rcd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        failed = writing.exception(120)
    # Either it was sent anew by another rclone, and is whole, or it is not there.
    assert failed is None or isinstance(failed, StorageUnavailableError), failed
    assert not any(NAME in names for names in seen)
    assert [one.name for one in catalogue.read(in_webdav).backups] == [OTHER]
    assert (folder / NAME).stat().st_size == 100 << 20 if failed is None else not (folder / NAME).exists()
