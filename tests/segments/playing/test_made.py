"""A moment is an ordinary backup in a storage of its own: made once, kept for a while, and never half there."""

import os
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.segments.playing import scenes
from tests.segments.playing.tape import recorded
from tests.support.age_keys import age_pair
from tests.support.backups import settings_for, take
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.errors import CancelledError, RefusedError, ScratchError, SealedError
from worker.formats import rdb
from worker.formats.encryption import keys_of
from worker.progress import silent
from worker.repository import artifact
from worker.repository.check import check
from worker.repository.copies.found import Found
from worker.segments.playing import made as making
from worker.segments.playing.made import made, shelf_of
from worker.segments.recording import Recording
from worker.server.scratch import memory, programs
from worker.server.wire import pack


def prepared(server: Server, tmp_path: Path, **more: Any) -> Settings:
    """The settings of one who finds this server's program for playing, and has a cache of their own."""
    own = {"drill_servers": (server.binary.path,), "backup_cache": str(tmp_path / "cache")}
    return settings_for(server, tmp_path / "backups", **own, **more)


@pytest.fixture
def recording(newest: Binary, start_server: StartServer, tmp_path: Path) -> Recording:
    """A moment of a server that has been written to since its base."""
    server = start_server(newest)
    scenes.before(server)
    name = take(server, tmp_path / "backups")["name"]
    scenes.after(server)
    return recorded(server, tmp_path / "backups", name)


@pytest.fixture
def settings(recording: Recording, newest: Binary, tmp_path: Path) -> Settings:
    return Settings(
        backup_storage=str(tmp_path / "backups"), backup_cache=str(tmp_path / "cache"), drill_servers=(newest.path,)
    )


def counting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When something was played."""
    times: list[float] = []
    played = making.played

    def counted(*arguments: Any) -> Any:
        times.append(time.monotonic())
        return played(*arguments)

    monkeypatch.setattr(making, "played", counted)
    return times


def keys_in(held: Found, settings: Settings) -> set[tuple[int, bytes]]:
    with held.storage.fetch(held.manifest.name) as file:
        check(file, held.manifest, keys_of(settings), silent, walked=True)
        reader = rdb.Reader(artifact.raw_chunks(file, held.manifest, keys_of(settings)), values=False)
        return {(entry.db, entry.key) for batch in reader.batches() for entry in batch}


@pytest.mark.every_server
def test_a_moment_is_a_backup_of_what_was_there_then(binary: Binary, source: Server, tmp_path: Path) -> None:
    settings = prepared(source, tmp_path)
    scenes.before(source)
    base = take(source, tmp_path / "backups")
    scenes.after(source)
    recording = recorded(source, tmp_path / "backups", base["name"])
    source.client().flushall()
    time.sleep(scenes.SOON / 1000)
    with made(settings, recording, silent) as held:
        manifest = held.manifest
        assert keys_in(held, settings) == scenes.KEYS
    assert manifest.name.startswith(f"redis_backup_{recording.at:%Y%m%d_%H%M%S}")
    assert (manifest.created_at, manifest.consistency, manifest.keys) == (
        recording.at,
        "point-in-time",
        len(scenes.KEYS),
    )
    assert manifest.source == recording.base.source.model_copy(update={"replication_offset": recording.offset})
    assert manifest.functions == (binary.version >= (7, 0))
    assert base["name"] in manifest.engine_reason
    assert f"up to offset {recording.offset}" in manifest.warnings[0]
    assert len([*(tmp_path / "backups").glob("*.rdb.zst")]) == 1


def test_it_is_made_once(recording: Recording, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    times = counting(monkeypatch)
    with made(settings, recording, silent) as first, made(settings, recording, silent) as second:
        assert first == second
    with made(settings, replace(recording, commands=lambda: iter([pack(b"NOVELTY")])), silent) as third:
        assert third == first
    assert len(times) == 1


def test_two_who_want_the_same_wait_for_one(
    recording: Recording, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, waiting, found = counting(monkeypatch), threading.Event(), []

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == "waiting":
            waiting.set()
        elif phase == "playing":
            assert waiting.wait(60)

    def want() -> None:
        with made(settings, recording, tell) as held:
            found.append(held.manifest.sha256)

    both = [threading.Thread(target=want) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
    assert len(times) == 1
    assert len(found) == 2
    assert found[0] == found[1]


def test_nothing_is_left_of_one_that_fails_or_is_cancelled(
    recording: Recording, settings: Settings, tmp_path: Path
) -> None:
    def cancel(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == "writing":
            raise CancelledError("Somebody has cancelled it.")

    with pytest.raises(CancelledError), made(settings, recording, cancel):
        pass
    unknown = replace(recording, commands=lambda: iter([pack(b"NOVELTY")]))
    with pytest.raises(ScratchError, match="NOVELTY"), made(settings, unknown, silent):
        pass
    assert [*(tmp_path / "cache/moments").iterdir()] == []
    with made(settings, recording, silent) as held:
        assert held.manifest.keys


def test_what_a_killed_run_left_is_no_moment(recording: Recording, settings: Settings, tmp_path: Path) -> None:
    with made(settings, recording, silent) as held:
        folder = Path(held.storage.place)
    for manifest in folder.glob("*.manifest.json"):
        manifest.rename(manifest.with_name(f".{manifest.name}.partial"))
    (folder / "played").mkdir()
    with made(settings, recording, silent) as again:
        assert again.manifest.keys == held.manifest.keys
        assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) == sorted(
            [again.manifest.name, f"{again.manifest.name}.manifest.json"]
        )


def test_those_that_nobody_reads_go_when_there_are_many_or_they_are_old(
    recording: Recording, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.segments.playing.shelf.MOST_KEPT", 2)
    folder = tmp_path / "cache/moments"
    with ExitStack() as held:
        read = Path(held.enter_context(made(settings, recording, silent)).storage.place)
        os.utime(read, (0, 0))
        for more in range(1, 4):
            with made(settings, replace(recording, offset=recording.offset + more), silent) as other:
                last = Path(other.storage.place)
        assert {*folder.iterdir()} >= {read, last}
        assert len([*folder.iterdir()]) <= 3
    for each in folder.iterdir():
        os.utime(each, (0, 0))
    shelf_of(settings).sweep()
    assert [*folder.iterdir()] == []


def test_no_server_or_no_memory_is_said_with_what_can_be_done(
    recording: Recording, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "spare", lambda: 1000)
    with (
        pytest.raises(RefusedError, match=r"are free on this machine.* the base alone is restored"),
        made(settings, recording, silent),
    ):
        pass
    monkeypatch.setattr(programs, "known", lambda _: [])
    with (
        pytest.raises(RefusedError, match="install a redis-server or valkey-server that does"),
        made(settings, recording, silent),
    ):
        pass


def test_what_grows_beyond_the_memory_is_ended(
    recording: Recording, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = recording.base.model_copy(update={"memory": 0})
    monkeypatch.setattr(memory, "spare", lambda: 80 << 20)
    grown = b"".join(pack(b"SET", b"%d" % key, bytes(1 << 20)) for key in range(150))
    with (
        pytest.raises(RefusedError, match="needs more than the 84 MB"),
        made(settings, replace(recording, base=base, commands=lambda: iter([grown])), silent),
    ):
        pass


def test_of_an_encrypted_base_it_is_encrypted(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server, pair = start_server(newest), age_pair(tmp_path)
    settings = prepared(server, tmp_path, **pair.settings)
    server.client().set("a", 1)
    name = backup(settings, BackupArguments(), silent)["name"]
    server.client().set("b", 2)
    recording = recorded(server, tmp_path / "backups", name)
    blind = settings.model_copy(update={"backup_age_identity_file": None})
    with pytest.raises(SealedError), made(blind, recording, silent):
        pass
    with made(settings, recording, silent) as held:
        assert held.manifest.name.endswith(".age")
        assert keys_in(held, settings) == {(0, b"a"), (0, b"b")}
