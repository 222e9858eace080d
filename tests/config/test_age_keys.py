"""Keys that backups are encrypted to: a mistyped one, or a secret one, is refused in words that do not repeat it."""

from typing import Any

import pytest

from worker.config.age_keys import MOST, fingerprint
from worker.config.settings import Settings, load
from worker.errors import UsageError

# The example of age's own specification, and a made-up key of SSH.
AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN"


def test_keys_come_with_commas_or_line_ends_between_and_without_their_owners_name() -> None:
    text: Any = f"# ours\n{AGE},{SSH} me@here\n\n  {AGE} \n"
    assert Settings(backup_age_recipients=text).backup_age_recipients == (AGE, SSH)


def test_a_key_is_known_by_what_its_own_tools_print() -> None:
    assert fingerprint(AGE) == AGE
    assert fingerprint(SSH) == "ssh-ed25519 SHA256:PYX4o9UfGwCwG76hFcLAEkmMS0PtIBtV9MNmVgW16Oc"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("AGE-SECRET-KEY-1" + "Q" * 58, "one of these is a secret one"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "one of these is a secret one"),
        (AGE[:-1], "whole public keys"),
        (AGE[:-1] + "q", "whole public keys"),
        (AGE.replace("z7", "7z"), "whole public keys"),
        (SSH[:-4], "whole public keys"),
        (SSH.replace("ssh-ed25519", "ssh-rsa"), "whole public keys"),
        ("ssh-ed25519 !!!!", "whole public keys"),
        ("ssh-ed25519 AAA", "whole public keys"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "whole public keys"),
        ("somebody", "whole public keys"),
    ],
)
def test_a_wrong_key_is_named_by_its_setting_and_not_printed(
    wrong: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_AGE_RECIPIENTS", f"{AGE}, {wrong}")
    load.cache_clear()
    with pytest.raises(UsageError, match=f"The setting BACKUP_AGE_RECIPIENTS is wrong: .*{said}") as told:
        load()
    load.cache_clear()
    assert wrong not in str(told.value)


def test_there_is_an_end_to_keys() -> None:
    with pytest.raises(ValueError, match=f"must be {MOST} keys at most"):
        Settings(backup_age_recipients=",".join([AGE] * (MOST + 1)))  # type: ignore[arg-type]
