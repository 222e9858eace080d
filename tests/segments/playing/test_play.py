"""What a source held at a moment is there again: a base and the commands behind it, in a server of our own."""

import time
from pathlib import Path
from typing import cast

import pytest

from tests.conftest import StartServer
from tests.segments.playing import scenes
from tests.segments.playing.tape import tape
from tests.support.servers import Binary, Server
from worker.errors import ScratchError
from worker.formats import rdb
from worker.formats.entries import Entry
from worker.formats.rdb.values import value_of
from worker.progress import silent
from worker.segments.playing import aof
from worker.segments.playing.play import dump, playing
from worker.server.scratch.programs import Program, described
from worker.server.wire import Wire, pack


def program(binary: Binary) -> Program:
    found = described(binary.path)
    assert found
    return found


def written(folder: Path, base: bytes, commands: bytes, binary: Binary, database: int = 0) -> aof.Written:
    return aof.write(folder, aof.Content(iter([base]), database, iter([commands]), binary.version < (7, 0)))


def fields(found: list[Entry], key: bytes, rdb_version: int) -> dict[bytes, int | None]:
    """The fields of a hash, and when each expires."""
    (entry,) = (entry for entry in found if entry.key == key)
    return {name: at for name, _, at in cast(list[tuple[bytes, bytes, int | None]], value_of(entry, rdb_version))}


def entries(dumped: bytes) -> tuple[list[Entry], int]:
    """The keys of an RDB file, and how many libraries of functions it has."""
    reader = rdb.Reader(iter([dumped]), values=True)
    found = sorted((entry for batch in reader.batches() for entry in batch), key=lambda entry: (entry.db, entry.key))
    return found, len(reader.libraries)


@pytest.mark.every_server
def test_what_has_expired_since_is_still_there(binary: Binary, source: Server, tmp_path: Path) -> None:
    scenes.before(source)
    with tape(source) as recorded:
        scenes.after(source)
        _, commands = recorded.until_now()
    folder = tmp_path / "aof"
    has = written(folder, recorded.base, commands, binary)
    assert has.database == 9
    time.sleep(scenes.SOON / 1000)
    with playing(folder, has, program(binary), silent, None) as scratch:
        dumped = b"".join(dump(scratch))
        found, libraries = entries(dumped)
        with Wire(scratch.endpoint, 12) as wire:
            assert wire.ask(b"LRANGE", b"list", b"0", b"-1") == [b"1", b"2"]
    assert {(entry.db, entry.key) for entry in found} == scenes.KEYS
    assert libraries == (binary.version >= (7, 0))
    soon = [entry for entry in found if entry.key.endswith(b"soon")]
    assert len(soon) == 2
    if binary.fields_expire:
        version, now = int(dumped[6:9]), time.time() * 1000
        of_base, of_command = fields(found, b"hash", version), fields(found, b"later", version)
        assert {*of_base} == {*of_command} == {b"field", b"other"}
        assert (of_base[b"field"] or now) < now < (of_base[b"other"] or 0)
        assert (of_command[b"field"] or now) < now
        assert of_command[b"other"] is None
    # Before Redis 7.0 a source sends how long from now, and not when.
    past = soon if binary.version >= (7, 0) else soon[:1]
    assert all(entry.expires_at and entry.expires_at < time.time() * 1000 for entry in past)


@pytest.mark.every_server
def test_a_command_that_the_server_does_not_know_is_named_without_its_arguments(
    binary: Binary, source: Server, tmp_path: Path
) -> None:
    source.client().set("a", 1)
    with tape(source) as recorded:
        pass
    has = written(tmp_path / "aof", recorded.base, pack(b"NOVELTY", b"secret-key", b"secret-value"), binary)
    with (
        pytest.raises(ScratchError, match="does not know the command NOVELTY that") as failure,
        playing(tmp_path / "aof", has, program(binary), silent, None),
    ):
        pass
    assert "secret" not in str(failure.value)


@pytest.mark.every_server
def test_a_command_that_fails_is_no_moment(binary: Binary, source: Server, tmp_path: Path) -> None:
    source.client().set("a", "text")
    with tape(source) as recorded:
        pass
    commands = pack(b"SET", b"b", b"1") + pack(b"INCR", b"a")
    has = written(tmp_path / "aof", recorded.base, commands, binary)
    with (
        pytest.raises(ScratchError, match=r"could not carry out .* that the source had carried out"),
        playing(tmp_path / "aof", has, program(binary), silent, None),
    ):
        pass


def test_one_that_is_cut_short_is_said_to_be(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    with tape(start_server(newest)) as recorded:
        pass
    has = written(tmp_path / "aof", recorded.base, pack(b"SET", b"b", b"1" * 100)[:-20], newest)
    with pytest.raises(ScratchError, match="breaks off"), playing(tmp_path / "aof", has, program(newest), silent, None):
        pass
