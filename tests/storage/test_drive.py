"""Google Drive, as far as a fake of its API goes: two files may have one name there, so none is written beside another."""

import pytest

from tests.storage.folders import NAME, OTHER, record
from tests.support.drive import ROOT, TOKEN, Drive
from tests.support.processes import CANARY
from worker.config.rclone import RcloneLogins
from worker.errors import StorageError, StorageUnavailableError, UsageError
from worker.repository import catalogue
from worker.storage import open_storage
from worker.storage.rclone.bucket import RcloneBucket
from worker.storage.rclone.remotes import place_at
from worker.storage.remote import Remote


def refusing(drive: Drive, reason: str, times: int = 1_000_000) -> None:
    """What is written is refused so often."""
    left = iter(range(times))

    def refuse(method: str, path: str) -> str | None:
        is_writing = method != "GET" and path.startswith(("/upload/", "/resumable/"))
        return reason if is_writing and next(left, None) is not None else None

    drive.refuse = refuse


def test_a_note_is_replaced_in_place_and_is_never_there_twice_or_not_at_all(in_gdrive: Remote, drive: Drive) -> None:
    record(in_gdrive, NAME)
    in_gdrive.put(OTHER, b"1")
    drive.asked.clear()
    in_gdrive.put(OTHER, b"2", replace=True)
    written = [one.split()[0] for one in drive.asked if not one.startswith("GET")]
    assert written == ["PATCH"]
    assert in_gdrive.read(OTHER) == b"2"
    assert drive.names() == sorted([NAME, f"{NAME}.manifest.json", OTHER])
    assert [one.name for one in catalogue.read(in_gdrive).backups] == [NAME]


@pytest.mark.slow
def test_a_large_file_goes_in_pieces_and_its_checksum_is_asked_for(in_gdrive: Remote, drive: Drive) -> None:
    content = bytes(range(256)) * (80 << 10)
    with in_gdrive.draft([NAME]) as draft:
        draft.write(content)
        draft.publish()
        assert sum("/resumable/" in one for one in drive.asked) == 3
        assert sum(one.startswith("GET") and "alt=media" in one for one in drive.asked) == 0
    with in_gdrive.fetch(NAME) as file:
        assert file.read() == content
    assert drive.authorization == {"Bearer a-token-of-tests"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("storageQuotaExceeded", "is full: free some space, or keep fewer backups"),
        ("noQuota", "takes nothing from a service account, which has no room of its own"),
        ("insufficientFilePermissions", "does not let us write"),
    ],
)
def test_what_is_refused_for_good_is_said(reason: str, said: str, in_gdrive: Remote, drive: Drive) -> None:
    record(in_gdrive, OTHER)
    refusing(drive, reason)
    with pytest.raises(StorageError, match=said) as refused:
        record(in_gdrive, NAME)
    assert not isinstance(refused.value, StorageUnavailableError)
    drive.refuse = lambda *_: None
    assert [one.name for one in catalogue.read(in_gdrive).backups] == [OTHER]
    assert drive.names() == [OTHER, f"{OTHER}.manifest.json"]


@pytest.mark.slow
def test_who_is_asked_for_patience_tries_again(in_gdrive: Remote, drive: Drive) -> None:
    refusing(drive, "userRateLimitExceeded", times=2)
    record(in_gdrive, NAME)
    assert [one.name for one in catalogue.read(in_gdrive).backups] == [NAME]


@pytest.mark.slow
def test_a_folder_that_is_not_there_is_said(drive: Drive) -> None:
    address = "gdrive://another-folder"
    with pytest.raises(StorageError, match="is not there: make the folder, or correct the address"):
        RcloneBucket(address, place_at(address, RcloneLogins()), ()).things()


def test_without_credentials_it_is_said_which_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GDRIVE_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="set GDRIVE_TOKEN_FILE to the token that rclone got"):
        open_storage(f"gdrive://{ROOT}-without")


def test_no_text_of_ours_holds_a_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GDRIVE_TOKEN", "GDRIVE_CLIENT_SECRET", "SFTP_PASSWORD", "WEBDAV_PASSWORD"):
        monkeypatch.setenv(name, CANARY)
    logins = RcloneLogins()
    assert CANARY not in f"{logins!r} {logins}"
    for address in (f"gdrive://{ROOT}", "webdav://somebody@host/x"):
        place = place_at(address, logins)
        assert CANARY not in f"{place!r} {place}"
    assert TOKEN != CANARY
