"""Credentials are found where the tools of each cloud look for them, and are in no text of ours."""

from pathlib import Path

import pytest

from tests.support.processes import CANARY
from worker.config.cloud import Cloud
from worker.errors import UsageError

CREDENTIALS = f"""[default]
aws_access_key_id = default-key
aws_secret_access_key = {CANARY}

[other]
aws_access_key_id = other-key
aws_secret_access_key = {CANARY}%2
aws_session_token = a-token
[bare]
"""
CONFIG = """[default]
region = eu-west-1
[profile other]
region = eu-central-1
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws/config").write_text(CONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in Cloud.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def test_the_keys_of_the_environment_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    assert Cloud().aws() == {"region": "us-east-2", "access_key_id": "key", "secret_access_key": CANARY}


def test_a_key_can_be_in_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "secret").write_text(f"{CANARY}\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(home / "secret"))
    assert Cloud().aws()["secret_access_key"] == CANARY


def test_else_those_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cloud().aws() == {"region": "eu-west-1", "access_key_id": "default-key", "secret_access_key": CANARY}
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert Cloud().aws() == {
        "region": "eu-central-1",
        "access_key_id": "other-key",
        "secret_access_key": f"{CANARY}%2",
        "session_token": "a-token",
    }


def test_else_none_and_the_role_of_the_machine_is_asked(home: Path) -> None:
    (home / ".aws/credentials").unlink()
    assert Cloud().aws() == {"region": "eu-west-1"}


@pytest.mark.parametrize("profile", ["bare", "nobody"])
def test_a_profile_without_keys_is_said(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(UsageError, match=f"the profile '{profile}'"):
        Cloud().aws()


def test_a_file_that_is_none_of_profiles_is_said_and_not_shown(home: Path) -> None:
    (home / ".aws/credentials").write_text(f"{CANARY}\n")
    with pytest.raises(UsageError, match="cannot be read as a file of AWS profiles") as caught:
        Cloud().aws()
    assert CANARY not in str(caught.value)


def test_an_authority_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match="AWS_CA_BUNDLE"):
        _ = Cloud().ca


def test_nothing_of_it_is_in_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    assert CANARY not in repr(Cloud())
