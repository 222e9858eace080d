"""Any moment from a shell: the verbs that take a backup take one in its place, and say which moment it was."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.processes import CANARY, Ended, Shell
from tests.support.servers import Binary, Server
from tests.support.streams import BACKLOG


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest, *BACKLOG, password=CANARY)


@pytest.fixture
def shell(source: Server, tmp_path: Path) -> Shell:
    """A shell at a source that was emptied behind its backup, and has been visited since."""
    shell = Shell(source.url, tmp_path / "backups", tmp_path)
    client = source.client()
    client.set("before", "the backup")
    assert shell("backup").code == 0
    client.mset({f"since:{number}": number for number in range(20)})
    assert shell("visit").code == 0
    client.flushall()
    assert shell("visit").code == 0
    return shell


def asked(shell: Shell, source: Server, *arguments: str) -> Ended:
    return shell(*arguments, DRILL_SERVERS=source.binary.path)


def test_a_moment_is_brought_back_by_what_came_behind_it(shell: Shell, source: Server) -> None:
    seen = asked(shell, source, "preview", "--before", "flushall")
    assert seen.code == 0
    assert "It is the source at" in seen.err + seen.out
    done = asked(shell, source, "restore", "--before", "FLUSHALL", "--mode", "mirror", "--yes")
    assert (done.code, source.client().dbsize()) == (0, 21)
    assert "@offset:" in done.out
    assert "made from redis_backup_" in done.out + done.err
    undone = asked(shell, source, "undo", done.out.rpartition("worker undo ")[2].split()[0], "--yes")
    assert (undone.code, source.client().dbsize()) == (0, 0)


def test_it_is_looked_into_exported_and_verified(shell: Shell, source: Server, tmp_path: Path) -> None:
    found = asked(shell, source, "search", "since:7", "--before", "FLUSHALL")
    assert found.code == 0
    assert "@offset:" in found.out
    exported = asked(shell, source, "export", "--before", "FLUSHALL", "-o", "moment.json")
    assert exported.code == 0
    assert "21 keys" in exported.out
    chain = asked(shell, source, "export", "--aof", "chain")
    assert chain.code == 0
    assert "redis-server --appendonly yes --dir chain" in chain.out
    assert (tmp_path / "chain/appendonlydir/appendonly.aof.manifest").is_file()
    verified = asked(shell, source, "verify", "--before", "FLUSHALL")
    assert verified.code == 0
    assert "The chain up to @offset:" in verified.out
    assert asked(shell, source, "drill", "--before", "FLUSHALL").code == 0


def test_a_backup_and_a_moment_exclude_each_other(shell: Shell, source: Server) -> None:
    for arguments in (
        ("preview",),
        ("preview", "latest", "--at", "-1m"),
        ("export",),
        ("drill", "latest", "--at", "-1m"),
    ):
        refused = asked(shell, source, *arguments)
        assert refused.code != 0
        assert "which moment is meant" in refused.err
    assert "One moment can be meant" in asked(shell, source, "restore", "--at", "-1m", "--before", "FLUSHALL").err
    assert "is no moment" in asked(shell, source, "restore", "--at", "yesterday").err
    assert "beside it only a moment" in asked(shell, source, "export", "latest", "--aof", "chain").err
    assert "There is no moment 2020" in asked(shell, source, "restore", "--at", "2020-01-01").err
