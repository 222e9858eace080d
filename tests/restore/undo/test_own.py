"""Where most of a target will be touched, its own snapshot is kept: undone, all is as it was, to the last field's expiry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.mirror.mirrors import limited
from tests.restore.undo.test_undo import drift
from tests.restore.undo.undoing import changed, counts, kept_in, small, take_back
from tests.support.age_keys import age_pair
from tests.support.backups import asking, bring_back, fill_all, kill_myself, killed, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import VerifyArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.repair import repair
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.engines.replication import Replication
from worker.errors import ArtifactError, SourceUnavailableError, StorageError
from worker.formats.rdb.noted import noted
from worker.progress import silent
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest
from worker.restore.restore import restore
from worker.restore.undo import own, snapshot
from worker.restore.undo.undo import undo


@pytest.fixture(autouse=True)
def _however_few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "SAVED_SECONDS", 1.0)


def kept(storage: Path) -> Manifest:
    """The one undo that is there, which is whole."""
    (found,) = kept_in(storage)
    settings = Settings(redis_url="redis://127.0.0.1:1/0", backup_storage=str(storage))
    assert verify(settings, VerifyArguments(name=found.name), silent)["keys"] == found.keys
    return found


@pytest.fixture
def drifted(binary: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server with data of every type that was backed up, and has lived on since."""
    source = fill_all(start_server(binary))
    take(source, tmp_path)
    drift(source)
    return source


@pytest.mark.parametrize("mode", ["overwrite", "mirror"])
def test_after_an_undo_all_is_as_before_the_restore(mode: str, drifted: Server, tmp_path: Path) -> None:
    before = state(drifted)
    report = bring_back(drifted, tmp_path, mode=mode)
    assert (report["failed"], state(drifted) != before) == (0, True)
    manifest = kept(tmp_path)
    assert (manifest.engine, manifest.consistency) == ("replication", "point-in-time")
    assert manifest.keys == report["undo"]["keys"] == sum(before.keys.values())
    assert take_back(drifted, tmp_path)["left_alone"] == 0
    assert_same(before, state(drifted))


def test_what_the_restore_had_nothing_to_do_with_is_not_looked_at(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    client = small(server, tmp_path)
    client.set("only there", "x")
    before = state(server)
    bring_back(server, tmp_path, mode="overwrite")
    assert kept(tmp_path).engine == "replication"
    client.set("only there", "theirs")
    client.set("changed", "theirs")
    report = take_back(server, tmp_path)
    assert (counts(report), changed(report)) == (
        {"put_back": 1, "deleted": 1, "left_alone": 1, "as_before": 1},
        [(0, "changed")],
    )
    client.mset({"only there": "x", "changed": "new"})
    assert_same(before, state(server))


def test_it_is_encrypted_as_the_settings_say(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest)
    small(server, tmp_path / "backups")
    before = state(server)
    settings = settings_for(server, tmp_path / "backups", **age_pair(tmp_path).settings)
    restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    (manifest,) = kept_in(tmp_path / "backups")
    assert (manifest.encrypted, manifest.engine) == (True, "replication")
    assert undo(settings, UndoArguments(run=manifest.name), silent)["left_alone"] == 0
    assert_same(before, state(server))


FEW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "skip": ({"mode": "skip"}, {}),
    "a part": ({"mode": "overwrite", "match": ["*"]}, {}),
    "elsewhere": ({"mode": "overwrite", "map_databases": {0: 3}}, {}),
    "the engine is scan": ({"mode": "overwrite"}, {"backup_engine": "scan"}),
}


@pytest.mark.parametrize(("told", "settings"), FEW.values(), ids=FEW)
def test_else_its_keys_are_asked_for_one_by_one(
    told: dict[str, Any], settings: dict[str, Any], newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    small(server, tmp_path)
    before = state(server)
    restore(settings_for(server, tmp_path, **settings), RestoreArguments(**{"name": "latest", **told}), silent)
    assert all(manifest.engine == "scan" for manifest in kept_in(tmp_path))
    if kept_in(tmp_path):
        take_back(server, tmp_path)
    assert_same(before, state(server))


def test_so_they_are_where_the_target_holds_far_more_or_its_snapshot_would_come_late(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(newest)
    small(server, tmp_path)
    server.client().mset({f"other:{number}": "x" for number in range(10)})
    bring_back(server, tmp_path, mode="overwrite")
    server.client().delete(*(f"other:{number}" for number in range(10)))
    asking(server).execute_command("CONFIG", "SET", "repl-diskless-sync-delay", "5")
    monkeypatch.setattr(own, "SAVED_SECONDS", 1.0)
    bring_back(server, tmp_path, mode="overwrite")
    assert [manifest.engine for manifest in kept_in(tmp_path)] == ["scan", "scan"]


def _fails(self: Replication) -> Iterator[bytes]:
    yield b"REDIS0009"
    raise SourceUnavailableError("It was cut.")


def _full(*_: Any) -> Any:
    raise StorageError("It is full.")


@pytest.mark.parametrize(("where", "name", "fails"), [(Replication, "chunks", _fails), (snapshot, "noted", _full)])
def test_where_its_snapshot_fails_they_are_asked_for_one_by_one(
    where: Any,
    name: str,
    fails: Any,
    newest: Binary,
    start_server: StartServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_server(newest)
    small(server, tmp_path)
    before = state(server)
    monkeypatch.setattr(where, name, fails)
    bring_back(server, tmp_path, mode="overwrite")
    assert kept(tmp_path).engine == "scan"
    take_back(server, tmp_path)
    assert_same(before, state(server))


def test_who_may_not_replicate_has_them_asked_for_one_by_one(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    small(server, tmp_path)
    settings = settings_for(server, tmp_path, **limited(server, "-psync"))
    restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    assert kept(tmp_path).engine == "scan"


@pytest.mark.parametrize("until", ["keeping what is there", "restoring"])
def test_a_restore_that_is_killed_is_undone_or_has_changed_nothing(
    until: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    small(server, tmp_path)
    before = state(server)

    def progress(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == until:
            kill_myself()

    settings = settings_for(server, tmp_path)
    assert killed(lambda: restore(settings, RestoreArguments(name="latest", mode="overwrite"), progress))
    if until == "restoring":
        assert kept(tmp_path).engine == "replication"
        take_back(server, tmp_path)
    else:
        assert kept_in(tmp_path) == []
    assert_same(before, state(server))


def test_one_whose_manifest_was_made_anew_can_undo(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest)
    small(server, tmp_path)
    before = state(server)
    name = bring_back(server, tmp_path, mode="overwrite")["undo"]["name"]
    (tmp_path / f"{name}{MANIFEST_SUFFIX}").write_bytes(b"{}")
    assert len(repair(Settings(backup_storage=str(tmp_path)), silent)["repaired"]) == 1
    assert (kept(tmp_path).engine, kept(tmp_path).consistency) == ("replication", "point-in-time")
    take_back(server, tmp_path)
    assert_same(before, state(server))


def test_a_byte_that_changed_on_its_way_to_storage_stops_the_restore(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was written all is read again, and only its structure is not looked at a second time."""
    server = start_server(newest)
    small(server, tmp_path)
    before = state(server)
    monkeypatch.setattr(snapshot, "noted", lambda dump, *told: _damaged(noted(dump, *told)))
    with pytest.raises(ArtifactError):
        bring_back(server, tmp_path, mode="overwrite")
    assert_same(before, state(server))


def _damaged(dump: Iterator[bytes]) -> Iterator[bytes]:
    """With one bit of a value flipped, after its checksum was reckoned."""
    whole = b"".join(dump)
    yield whole.replace(b"old", b"ole", 1) if b"old" in whole else whole.replace(b"new", b"nev", 1)
