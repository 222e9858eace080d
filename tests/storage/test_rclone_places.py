"""What an address becomes for rclone: who we are there, which folder it is, and how much rclone is to be trusted with."""

from pathlib import Path

import pytest

from worker.config.rclone import RcloneLogins
from worker.errors import UsageError
from worker.storage.rclone.remotes import PLAIN, place_at


@pytest.fixture
def hosts(tmp_path: Path) -> str:
    (tmp_path / "known_hosts").write_text("here key")
    return str(tmp_path / "known_hosts")


@pytest.mark.parametrize(
    ("address", "user", "host", "port", "folder"),
    [
        ("sftp://here", "", "here", "22", "/"),
        ("sftp://me@here:2022/a/b", "me", "here", "2022", "/a/b"),
        ("sftp://a%20b@[::1]/~/a", "a b", "[::1]", "22", "a"),
        ("sftp://here/~", "", "here", "22", ""),
        ("sftp://here/~other", "", "here", "22", "/~other"),
    ],
)
def test_a_folder_of_sftp_is_below_the_root_or_at_home(
    address: str, user: str, host: str, port: str, folder: str, hosts: str
) -> None:
    place = place_at(address, RcloneLogins(sftp_known_hosts_file=hosts, sftp_password="secret"))
    wanted = {"type": "sftp", "host": host, "port": port, "pass": "secret", "known_hosts_file": hosts}
    assert wanted.items() <= place.parameters.items()
    assert place.parameters.get("user", "") == user
    assert (place.folder, place.root, place.tries) == (folder, f"{place.remote}:{folder}", 1)
    assert (place.is_open, place.moves_over, place.kind) == (False, False, PLAIN)
    assert "secret" not in repr(place)
    again = place_at(address, RcloneLogins(sftp_known_hosts_file=hosts, sftp_password="another"))
    assert (again.remote == place.remote, len(place.remote)) == (False, len("remote-") + 16)


def test_without_known_hosts_nothing_is_sent(tmp_path: Path) -> None:
    for address, words in (("sftp://here/a", "-p 22 here"), ("sftp://here:2022/a", "-p 2022 here")):
        with pytest.raises(UsageError, match=f"ssh-keyscan {words}"):
            place_at(address, RcloneLogins(sftp_known_hosts_file=str(tmp_path / "none")))


def test_a_folder_of_webdav_may_show_half_files_and_moves_over(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    logins = RcloneLogins(webdav_password="secret", webdav_ca_bundle=str(tmp_path / "ca.pem"))
    for scheme, protocol in (("webdav", "http"), ("webdavs", "https")):
        place = place_at(f"{scheme}://me@here:81/a/b", logins)
        assert (place.folder, place.tries, place.is_open, place.moves_over) == ("a/b", 3, True, True)
        assert (place.parameters["url"], place.kind.ca) == (f"{protocol}://here:81", str(tmp_path / "ca.pem"))
    assert place_at("webdav://here/a", logins).parameters["url"] == "http://here"
    with pytest.raises(UsageError, match="WEBDAV_CA_BUNDLE names a file that cannot be read"):
        place_at("webdavs://here/a", RcloneLogins(webdav_ca_bundle=str(tmp_path)))


def test_drive_is_entered_by_a_token_or_a_service_account() -> None:
    place = place_at("gdrive://id/a/b", RcloneLogins(gdrive_token="{}"))
    assert (place.folder, place.parameters["root_folder_id"], place.tries) == ("a/b", "id", 10)
    assert "service_account_file" not in place.parameters
    for known in ({"google_application_credentials": "/file"}, {"google_service_account_key": "{}"}):
        place = place_at("gdrive://id", RcloneLogins(**known))
        assert (place.folder, next(iter(known.values())) in place.parameters.values()) == ("", True)
    with pytest.raises(UsageError, match="There are no credentials for gdrive://id"):
        place_at("gdrive://id", RcloneLogins())


def test_a_remote_of_rclone_is_what_its_configuration_says() -> None:
    place = place_at("rclone://mine/a/b", RcloneLogins(rclone_config="/etc/rclone.conf"))
    assert (place.root, place.parameters, place.kind.config) == ("mine:a/b", {}, "/etc/rclone.conf")
    assert (place.is_open, place.moves_over, place.kind.ca) == (True, False, "")
    assert place_at("rclone://mine", RcloneLogins()).kind.config.endswith("/.config/rclone/rclone.conf")
