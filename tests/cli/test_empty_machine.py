"""The machine is gone, and its Redis too: on an empty one the storage's address, its credentials and the secret key are enough."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.age_keys import age_pair
from tests.support.backups import fill_all
from tests.support.processes import Ended, Shell
from tests.support.servers import Binary, Server, binaries, newest_ones
from tests.support.states import assert_same
from worker.repository import catalogue
from worker.storage.remote import Remote

NOWHERE = "redis://127.0.0.1:1/0"


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


class Sheet:
    """What the recovery sheet names, and machines that have nothing else: an empty folder each, and no broker."""

    def __init__(self, place: Remote, folder: Path) -> None:
        self._place, self._folder, self.pair = place, folder, age_pair(folder)

    def run(self, machine: str, url: str, *words: str, **settings: Any) -> Ended:
        """A command there."""
        folder = self._folder / machine
        folder.mkdir(exist_ok=True)
        # A fork of a process that speaks to a bucket could not speak to it.
        shell = Shell(url, self._folder / "unused", folder, forked=False)
        return shell(*words, BACKUP_STORAGE=self._place.place, **settings)

    def back_up(self, source: Server) -> None:
        """On the machine that will be gone."""
        made = self.run("one", source.url, "backup", BACKUP_AGE_RECIPIENTS=self.pair.recipient)
        assert made.code == 0, made.err


@pytest.fixture
def sheet(place: Remote, tmp_path: Path) -> Sheet:
    return Sheet(place, tmp_path)


@pytest.mark.slow
def test_three_commands_bring_back_what_is_encrypted_into_an_empty_server_of_another_make(
    place: Remote, source: Server, empty: Server, sheet: Sheet
) -> None:
    sheet.back_up(source)
    refused = sheet.run("empty", empty.url, "restore", "latest", "--yes")
    assert (refused.code, "no key that opens it" in refused.err, empty.client().dbsize()) == (1, True, 0)
    for words in (("list",), ("preview", "latest"), ("restore", "latest", "--yes")):
        done = sheet.run("empty", empty.url, *words, BACKUP_AGE_IDENTITY_FILE=str(sheet.pair.file))
        assert done.code == 0, done.err
    assert_same(source, empty, times=False)
    there = [thing.name for thing in place.bucket.things()]
    assert [name for name in there if not name.endswith((".age", ".json")) or name.startswith(".")] == []


def test_the_sheet_is_rehearsed_without_a_server_to_restore_into(
    place: Remote, start_server: StartServer, sheet: Sheet
) -> None:
    source = start_server(binaries()[-1])
    source.client().mset({f"key:{number}": "value" for number in range(100)})
    sheet.back_up(source)
    servers = ":".join(binary.path for binary in binaries())
    key = {"BACKUP_AGE_IDENTITY_FILE": str(sheet.pair.file)}
    # Neither the broker nor the source is there.
    drill = sheet.run("empty", NOWHERE, "drill", "latest", "--full", "--json", DRILL_SERVERS=servers, **key)
    assert drill.code == 0, drill.err
    said = drill.data
    assert (said["rehearsed"], said["keys"], said["compared"], said["warnings"]) == (True, 100, "all", [])
    known = catalogue.get(place, said["name"]).rehearsed
    assert known is not None
    assert known.is_good


@pytest.fixture(autouse=True)
def in_no_other_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not even where a user has a configuration of rclone or of clouds."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
