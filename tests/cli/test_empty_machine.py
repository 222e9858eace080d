"""The machine is gone, and its Redis too: on an empty one the storage's address, its credentials and the secret key are enough."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.age_keys import age_pair
from tests.support.backups import fill_all
from tests.support.processes import Ended, Shell
from tests.support.servers import Binary, Server, newest_ones
from tests.support.states import assert_same
from worker.storage.remote import Remote


@pytest.fixture(params=["in_s3", pytest.param("in_sftp", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> Remote:
    found: Remote = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    return fill_all(start_server(newest))


@pytest.fixture
def empty(newest: Binary, start_server: StartServer) -> Server:
    """Of another make, where there is one."""
    return start_server(next((other for other in newest_ones() if other.name != newest.name), newest))


def test_three_commands_bring_back_what_is_encrypted_into_an_empty_server_of_another_make(
    place: Remote, source: Server, empty: Server, tmp_path: Path
) -> None:
    pair = age_pair(tmp_path)

    def run(machine: str, server: Server, *words: str, **given: Any) -> Ended:
        folder = tmp_path / machine
        folder.mkdir(exist_ok=True)
        # A fork of a process that speaks to a bucket could not speak to it.
        shell = Shell(server.url, tmp_path / "unused", folder, forked=False)
        return shell(*words, BACKUP_STORAGE=place.place, **given)

    made = run("one", source, "backup", BACKUP_AGE_RECIPIENTS=pair.recipient)
    assert made.code == 0, made.err
    refused = run("empty", empty, "restore", "latest", "--yes")
    assert (refused.code, "no key that opens it" in refused.err, empty.client().dbsize()) == (1, True, 0)
    for words in (("list",), ("preview", "latest"), ("restore", "latest", "--yes")):
        done = run("empty", empty, *words, BACKUP_AGE_IDENTITY_FILE=str(pair.file))
        assert done.code == 0, done.err
    assert_same(source, empty, times=False)
    there = [thing.name for thing in place.bucket.things()]
    assert [name for name in there if not name.endswith((".age", ".json")) or name.startswith(".")] == []


@pytest.fixture(autouse=True)
def in_no_other_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even where a user has a configuration of rclone or of clouds."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
