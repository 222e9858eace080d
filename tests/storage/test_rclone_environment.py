"""What rclone may know of this process: its own settings only where its rclone.conf is used, and no secret of ours."""

import pytest

from worker.storage.rclone.process import _environment

OURS = {
    "AWS_SECRET_ACCESS_KEY": "secret",
    "SFTP_PASSWORD": "secret",
    "RCLONE_CONFIG_PASS": "its own",
    "RCLONE_BWLIMIT": "1M",
    "RCLONE_RC_USER": "somebody",
    "RCLONE_TIMEOUT": "never",
    "HOME": "/home/user",
    "HTTPS_PROXY": "http://proxy:1",
    "no_proxy": "here",
}


@pytest.mark.parametrize("config", ["", "/etc/rclone.conf"])
def test_rclone_knows_what_it_must_and_its_own_only_with_its_configuration(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    known = _environment(config)
    assert {"HOME": "/home/user", "HTTPS_PROXY": "http://proxy:1", "no_proxy": "here"}.items() <= known.items()
    assert "secret" not in known.values()
    assert known["RCLONE_TIMEOUT"] == "45s"
    assert "RCLONE_RC_USER" not in known
    own = {name: value for name, value in known.items() if name in ("RCLONE_CONFIG_PASS", "RCLONE_BWLIMIT")}
    assert own == ({"RCLONE_CONFIG_PASS": "its own", "RCLONE_BWLIMIT": "1M"} if config else {})
