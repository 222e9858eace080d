"""A backup is rehearsed in a server of our own: it comes back as it was, and that is noted; what does not is told."""

import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.drill.conftest import drilled, drilling, servers_below
from tests.server.test_cluster import node_of
from tests.support.age_keys import age_pair
from tests.support.backups import bring_back, fill_all, take
from tests.support.processes import eventually
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments, DrillArguments
from worker.backups.backup import backup
from worker.errors import (
    ArtifactError,
    CancelledError,
    DrillError,
    NotFoundError,
    RefusedError,
    ScratchError,
    SealedError,
)
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.restore import restore as restores
from worker.restore.drill import drill as drills
from worker.restore.drill.drill import check_good, drill
from worker.server.scratch import memory, programs
from worker.storage.local import Folder


def noted(storage: Path, name: str) -> Manifest:
    return catalogue.get(Folder(storage), name)


@pytest.mark.every_server
@pytest.mark.parametrize(
    ("way", "format_"), [("mirror", "rdb"), ("keys", "rdb"), ("keys", "json")], ids=["mirror", "keys", "json"]
)
def test_it_comes_back_by_each_way(source: Server, tmp_path: Path, way: str, format_: str) -> None:
    made = take(fill_all(source), tmp_path, format=format_)
    result = drilled(drilling(source, tmp_path), made["name"], way=way, full=True)
    assert (result["differs"], result["differing"], result["warnings"]) == ([], [], [])
    assert (result["way"], result["compared"], result["rehearsed"]) == (way, "all", True)
    assert result["keys"] + result["expired"] == made["keys"]
    assert result["functions"] == made["functions"]
    assert result["server"].startswith(source.binary.name)
    check_good(result)
    known = noted(tmp_path, made["name"]).rehearsed
    assert known is not None
    assert (known.is_good, known.way, known.server, known.keys) == (True, way, result["server"], result["keys"])
    assert (known.seconds, known.bytes, known.compared) == (result["recovery_seconds"], made["bytes"]["raw"], "all")
    assert known.storage == str(tmp_path)


@pytest.fixture
def small(newest: Binary, start_server: StartServer) -> Server:
    source = start_server(newest)
    source.client().mset({f"key:{number}": f"value {number}" for number in range(3000)})
    return source


def test_by_turns_it_is_loaded_as_one_file_and_written_key_by_key(small: Server, tmp_path: Path) -> None:
    take(small, tmp_path)
    settings = drilling(small, tmp_path)
    assert [drilled(settings)["way"] for _ in range(3)] == ["mirror", "keys", "mirror"]


def test_values_of_a_sample_are_compared_that_can_be_drawn_again(small: Server, tmp_path: Path) -> None:
    name = take(small, tmp_path)["name"]
    result = drilled(drilling(small, tmp_path), name)
    assert result["compared"] == "sample"
    assert 800 < result["sampled"] < 1200
    known = noted(tmp_path, name).rehearsed
    assert known is not None
    assert (known.sampled, known.seed) == (result["sampled"], result["seed"])


def _spoil(settings: Any, arguments: Any, plan: Any, fence: Any, **more: Any) -> Any:
    """A restore that goes wrong and does not know it."""
    report = _carried_out(settings, arguments, plan, fence, **more)
    with fence.wire() as wire:
        wire.ask(b"DEL", b"key:1")
        wire.ask(b"SET", b"key:2", b"another")
        wire.ask(b"EXPIRE", b"key:3", b"1000")
        wire.ask(b"DEL", b"key:4")
        wire.ask(b"RPUSH", b"key:4", b"a")
        wire.ask(b"SET", b"surplus", b"x")
        wire.ask(b"SET", b"surplus more", b"x")
    return report


_carried_out = restores.carried_out


@pytest.mark.parametrize("full", [True, False])
def test_what_did_not_come_back_is_told_and_noted(
    small: Server, tmp_path: Path, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "carried_out", _spoil)
    name = take(small, tmp_path)["name"]
    result = drilled(drilling(small, tmp_path), name, full=full)
    kinds = " ".join(result["differs"])
    assert "1 key is missing." in kinds
    assert "1 key expires at another time." in kinds
    # Else only of some, by chance, are the values compared.
    assert "2 keys have another value." in kinds or not full
    assert "Database 0 holds 1 more than the backup." in kinds
    assert {key["key"] for key in result["differing"]} >= {"key:1", "key:3", "key:4"}
    assert not result["rehearsed"]
    with pytest.raises(DrillError, match=f"{name} did not come back as it should: 1 key is missing"):
        check_good(result)
    known = noted(tmp_path, name).rehearsed
    assert known is not None
    assert (known.has_failed, known.is_good) == (True, False)
    assert "key:" not in known.model_dump_json()


def test_what_the_restore_says_of_keys_that_it_could_not_write_is_kept_beside_what_is_missing(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evicting(*arguments: Any, **more: Any) -> Any:
        return _spoil(*arguments, **more) | {"evicted": 2}

    monkeypatch.setattr(drills, "carried_out", evicting)
    result = drilled(drilling(small, tmp_path), take(small, tmp_path)["name"])
    assert not result["rehearsed"]
    assert any(warning.startswith("Not every key is there: ") for warning in result["warnings"]), result["warnings"]


def test_a_damaged_file_fails_the_drill_and_that_is_noted(small: Server, tmp_path: Path) -> None:
    name = take(small, tmp_path)["name"]
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="has changed since it was written"):
        drilled(drilling(small, tmp_path), name)
    known = noted(tmp_path, name).rehearsed
    assert known is not None
    assert known.differs == ["Its file is not what was written, or cannot be read to its end."]


def test_where_no_server_takes_it_it_is_read_and_not_called_rehearsed(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "known", lambda _: [])
    name = take(small, tmp_path)["name"]
    result = drilled(drilling(small, tmp_path), name)
    assert (result["way"], result["rehearsed"], result["keys"], result["differs"]) == ("read", False, 3000, [])
    assert "install a redis-server or valkey-server" in result["reason"]
    check_good(result)
    manifest = noted(tmp_path, name)
    assert manifest.rehearsed is None
    assert manifest.decoded is not None
    assert not manifest.decoded.is_good


def test_where_there_is_too_little_memory_it_is_read(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "spare", lambda: 1 << 20)
    take(small, tmp_path)
    result = drilled(drilling(small, tmp_path))
    assert (result["way"], result["keys"]) == ("read", 3000)
    assert "only 1 MB are free" in result["reason"]


def test_a_server_that_would_be_full_is_not_filled(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.client().mset({f"large:{number}": bytes([number]) * 100_000 for number in range(60)})
    monkeypatch.setattr(memory, "spare", lambda: 4 << 20)
    monkeypatch.setattr("worker.restore.drill.choice.memory_needed", lambda _: 0)
    take(small, tmp_path)
    result = drilled(drilling(small, tmp_path))
    assert (result["way"], result["server"]) == ("read", None)
    assert "too little memory" in result["reason"]


def test_the_source_is_never_spoken_to(small: Server, tmp_path: Path) -> None:
    name = take(small, tmp_path)["name"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        came = threading.Event()

        def listen() -> None:
            try:
                listener.accept()
                came.set()
            except OSError:
                return

        threading.Thread(target=listen, daemon=True).start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        settings = drilling(small, tmp_path).model_copy(update={"redis_url": url})
        for way in ("mirror", "keys"):
            assert drilled(settings, name, way=way)["rehearsed"]
        assert not came.is_set()
    assert not small.client().exists("surplus")


def test_one_that_is_encrypted_comes_back_where_the_key_is_and_else_it_is_said_what_to_do(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = age_pair(tmp_path)
    closed = drilling(small, tmp_path / "b", backup_age_recipients=pair.recipient)
    name = backup(closed, BackupArguments(), silent)["name"]
    with monkeypatch.context() as patch:
        # That is known before anything is fetched, or a server chosen.
        patch.setattr(drills, "opened", None)
        patch.setattr(programs, "known", None)
        with pytest.raises(SealedError, match="BACKUP_AGE_IDENTITY_FILE"):
            drilled(closed, name)
    assert noted(tmp_path / "b", name).drilled is None
    opened = drilling(small, tmp_path / "b", **pair.settings)
    for way in ("mirror", "keys"):
        assert drilled(opened, name, way=way)["rehearsed"]


def test_an_undo_is_no_backup_to_rehearse(small: Server, tmp_path: Path) -> None:
    take(small, tmp_path)
    undo = bring_back(small, tmp_path, mode="overwrite")["undo"]["name"]
    with pytest.raises(RefusedError, match="is there to undo a restore"):
        drilled(drilling(small, tmp_path), undo)
    with pytest.raises(NotFoundError):
        drilled(drilling(small, tmp_path), "redis_backup_20200101_000000.rdb")


def test_a_part_of_a_cluster_comes_back(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    part = take(node_of(start_server, newest), tmp_path)
    assert part["kind"] == "part"
    result = drilled(drilling(start_server(newest), tmp_path), part["name"])
    assert (result["rehearsed"], result["keys"], result["way"]) == (True, part["keys"], "keys")


@pytest.mark.parametrize(
    ("at", "way", "with_"),
    [
        ("sending", "mirror", signal.SIGKILL),
        ("restoring", "keys", signal.SIGKILL),
        ("comparing", "keys", signal.SIGTERM),
        ("comparing", "mirror", signal.SIGKILL),
    ],
)
def test_one_whose_own_server_is_killed_fails_and_nothing_is_held_against_the_backup(
    small: Server, tmp_path: Path, scratch_folder: Path, at: str, way: Any, with_: signal.Signals
) -> None:
    name = take(small, tmp_path)["name"]

    def kill(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == at:
            for server in servers_below(scratch_folder):
                os.kill(server, with_)
            eventually(lambda: not servers_below(scratch_folder), "the end of the server")

    with pytest.raises(ScratchError, match=rf"so {name} was not rehearsed\. That says nothing about the backup"):
        drill(drilling(small, tmp_path), DrillArguments(name=name, way=way, full=True), kill)
    assert noted(tmp_path, name).drilled is None
    assert drilled(drilling(small, tmp_path), name)["rehearsed"]


@pytest.mark.parametrize("at", ["checking", "sending", "restoring", "comparing"])
def test_one_that_is_cancelled_leaves_nothing_and_notes_nothing(small: Server, tmp_path: Path, at: str) -> None:
    name = take(small, tmp_path)["name"]

    def stop(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == at:
            raise CancelledError("It was cancelled.")

    arguments = DrillArguments(name=name, way="mirror" if at == "sending" else "keys")
    with pytest.raises(CancelledError):
        drill(drilling(small, tmp_path), arguments, stop)
    assert noted(tmp_path, name).drilled is None
