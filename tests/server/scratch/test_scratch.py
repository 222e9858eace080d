"""A server of our own is private, bounded and writes nothing, and is gone with us however we end."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backups import eventually
from tests.support.servers import Binary, binaries
from worker.errors import ScratchError
from worker.server.scratch.programs import Program, described
from worker.server.scratch.scratch import Wanted, running
from worker.server.wire import Wire


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the temporary files of these tests lie: a path that a socket may have, and gone afterwards."""
    short = Path(tempfile.mkdtemp(prefix="rb-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    yield short
    shutil.rmtree(short)


def program(binary: Binary) -> Program:
    found = described(binary.path)
    assert found
    return found


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.every_server
def test_it_is_empty_bounded_and_on_no_network(binary: Binary, folder: Path) -> None:
    with running(Wanted(program(binary), 64 << 20, 20)) as scratch, Wire(scratch.endpoint, 19) as wire:
        (own,) = folder.iterdir()
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        assert stat.S_IMODE((own / "s").stat().st_mode) == 0o700
        assert wire.ask(b"DBSIZE") == 0
        said = {
            name: wire.ask(b"CONFIG", b"GET", name)[1]
            for name in (b"port", b"save", b"appendonly", b"maxmemory", b"maxmemory-policy", b"unixsocketperm")
        }
        assert said == {
            b"port": b"0",
            b"save": b"",
            b"appendonly": b"no",
            b"maxmemory": b"67108864",
            b"maxmemory-policy": b"noeviction",
            b"unixsocketperm": b"700",
        }
        assert not scratch.has_ended
        wire.ask(b"SET", b"a", b"b")
        assert sorted(path.name for path in own.iterdir()) == ["log", "s"]
    assert [*folder.iterdir()] == []


def test_it_is_told_nothing_of_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:very-secret@host:1/0")
    with running(Wanted(program(binaries()[0]), 0)) as scratch, Wire(scratch.endpoint) as wire:
        pid = wire.ask(b"INFO", b"server").split(b"process_id:")[1].split()[0].decode()
        for process in (pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]):
            for file in ("environ", "cmdline"):
                assert b"very-secret" not in Path(f"/proc/{process}/{file}").read_bytes()


def test_one_that_is_killed_is_known_to_have_ended(folder: Path) -> None:
    with running(Wanted(program(binaries()[0]), 0)) as scratch:
        with Wire(scratch.endpoint) as wire:
            pid = int(wire.ask(b"INFO", b"server").split(b"process_id:")[1].split()[0])
        assert scratch.answers()
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: scratch.has_ended)
        assert not scratch.answers()
    assert [*folder.iterdir()] == []


def test_what_is_no_server_is_said_to_be_none(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "redis-server"
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    with (
        pytest.raises(ScratchError, match=r"The scratch server \(redis 8\.0\.0\) did not start"),
        running(Wanted(Program(str(path), "redis", (8, 0, 0)), 0)),
    ):
        pass
    assert [*folder.iterdir()] == []


_USING = """
import sys, time
from worker.server.scratch.programs import described
from worker.server.scratch.scratch import Wanted, running
from worker.server.wire import Wire
with running(Wanted(described(sys.argv[1]), 0)) as scratch, Wire(scratch.endpoint) as wire:
    print(wire.ask(b"INFO", b"server").split(b"process_id:")[1].split()[0].decode(), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("whom", ["us", "its keeper"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_gone_with_us_whatever_happens(whom: str, how: signal.Signals, folder: Path) -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", _USING, binaries()[0].path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert user.stdout
        server = int(user.stdout.readline())
        keeper = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
        if whom == "us":
            user.send_signal(how)
            assert eventually(lambda: not is_alive(server) and not is_alive(keeper) and not [*folder.iterdir()])
        elif how == signal.SIGKILL:
            os.kill(keeper, how)
            assert eventually(lambda: not is_alive(server))
        else:
            os.kill(keeper, how)
            assert is_alive(server)
    finally:
        user.kill()
        user.wait()
        assert user.stdout
        user.stdout.close()
    assert eventually(lambda: not is_alive(server))


def test_what_both_have_left_is_swept_away_by_the_next(folder: Path) -> None:
    left = folder / "redis-backup-left"
    left.mkdir()
    (left / "s").write_bytes(b"")
    with running(Wanted(program(binaries()[0]), 0)):
        assert not left.exists()
