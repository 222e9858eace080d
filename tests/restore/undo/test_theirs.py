"""What others have changed, made or deleted since a restore stays theirs, unless the undo is forced."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.restore.undo.undoing import changed, counts, small, take_back
from tests.support.backups import bring_back, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.restore.target import values


def test_what_others_have_changed_since_is_left_alone_and_named(server: Server, tmp_path: Path) -> None:
    client = small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    client.append("gone", ", and theirs")
    client.delete("changed")
    client.set("theirs", "x")
    report = take_back(server, tmp_path)
    assert counts(report) == {"put_back": 1, "left_alone": 2, "as_before": 1}
    assert sorted(changed(report)) == [(0, "changed"), (0, "gone")]
    assert client.get("gone") == b"old, and theirs"
    assert client.exists("changed") == 0
    assert 0 < client.ttl("timed") <= 1000


def test_with_force_it_all_becomes_what_it_was(server: Server, tmp_path: Path) -> None:
    client = small(server, tmp_path)
    before = state(server)
    bring_back(server, tmp_path, mode="overwrite")
    client.append("gone", ", and theirs")
    client.delete("changed")
    client.expire("stays", 1000)
    assert counts(take_back(server, tmp_path, force=True)) == {"put_back": 3, "deleted": 1}
    assert_same(server, before)
    assert client.ttl("stays") == -1


def test_keys_that_skip_left_alone_are_never_touched(server: Server, tmp_path: Path) -> None:
    client = small(server, tmp_path)
    bring_back(server, tmp_path)
    client.set("changed", "newer still")
    client.persist("timed")
    before = {key: client.dump(key) for key in ("stays", "changed", "timed")}
    assert counts(take_back(server, tmp_path, force=True)) == {"deleted": 1}
    assert {key: client.dump(key) for key in before} == before
    assert client.ttl("timed") == -1
    assert client.dbsize() == 3


def test_keys_that_others_made_after_a_mirror_are_theirs(server: Server, tmp_path: Path) -> None:
    client = small(server, tmp_path)
    client.set("only here", "x")
    bring_back(server, tmp_path, mode="mirror")
    assert client.exists("only here") == 0
    server.client(2).set("made since", "y")
    report = take_back(server, tmp_path)
    assert counts(report) == {"put_back": 3, "deleted": 1, "left_alone": 1, "as_before": 1}
    assert changed(report) == [(2, "made since")]
    assert server.client(2).get("made since") == b"y"
    assert counts(take_back(server, tmp_path, force=True)) == {"deleted": 1, "as_before": 5}
    assert server.client(2).dbsize() == 0


def test_a_value_that_is_still_being_built_is_nobody_elses_key(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "LARGEST_PAYLOAD", 0)
    server = start_server(newest)
    for number in range(20):
        server.client().rpush(f"list:{number}", "before")
    before = state(server)
    take(server, tmp_path)
    for number in range(20):
        server.client().rpush(f"list:{number}", "since")
    since = state(server)
    bring_back(server, tmp_path, mode="mirror", expiry="persist")
    assert_same(server, before)
    assert counts(take_back(server, tmp_path, force=True)) == {"put_back": 20}
    assert_same(server, since)
