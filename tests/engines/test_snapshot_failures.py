"""A snapshot that the server does not make: asked for otherwise, or else read key by key, and said; never silently worse."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import bring_back, eventually, files, fill_all, settings_for, take, wipe
from tests.support.gates import Disguise
from tests.support.processes import command
from tests.support.servers import Binary, Server, binaries
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.errors import SourceError, SourceUnavailableError
from worker.progress import silent
from worker.repository import catalogue
from worker.storage.local import Folder

# Long enough that a child can be caught at its work.
SLOWLY = ("--rdb-key-save-delay", "20000")
OWN_RDB = "in the RDB version of Valkey itself"


@contextmanager
def without_a_disk(server: Server) -> Iterator[None]:
    """Each snapshot goes by way of the server's disk, and its folder is gone."""
    server.client().config_set("repl-diskless-sync", "no")
    shutil.rmtree(server.folder)
    yield


@contextmanager
def with_its_children_killed(server: Server) -> Iterator[None]:
    """As by the kernel when memory runs out."""
    done = threading.Event()

    def kill() -> None:
        listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        while not done.wait(0.005):
            for child in listed.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    done.set()
    thread.join()


FAILURES = {"no disk": without_a_disk, "killed children": with_its_children_killed}
each_failure = pytest.mark.parametrize("failing", FAILURES.values(), ids=FAILURES)


@pytest.mark.slow
@pytest.mark.sweep
@each_failure
@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_auto_reads_key_by_key_where_a_snapshot_fails_and_says_so(
    failing: Any, data_format: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(binary, *SLOWLY))
    before = state(source, times=data_format == "rdb")
    with failing(source):
        made = take(source, tmp_path / "backups", format=data_format)
    assert (made["engine"], made["consistency"]) == ("scan", "per-key")
    assert made["engine_reason"].startswith("a snapshot was begun and failed: The source at ")
    (warning,) = made["warnings"]
    assert "at no single point in time, for the snapshot failed" in warning
    (listed,) = catalogue.read(Folder(tmp_path / "backups")).backups
    assert (listed.engine, listed.warnings) == ("scan", [warning])
    wipe(source)
    bring_back(source, tmp_path / "backups")
    assert_same(source, before)


@each_failure
def test_a_snapshot_that_was_asked_for_fails_and_leaves_nothing(
    failing: Any, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(binary, *SLOWLY))
    with failing(source), pytest.raises(SourceUnavailableError, match="before its snapshot was whole"):
        take(source, tmp_path / "none", engine="replication")
    assert files(tmp_path / "none") == []


def test_where_nothing_else_is_allowed_the_snapshots_own_failure_is_told(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(newest, *SLOWLY))
    rules = ["on", ">secret", "~*", "-@all", "+info", "+select", "+ping", "+replconf", "+psync"]
    command(source, "ACL", "SETUSER", "lean", *rules)
    settings = settings_for(source, tmp_path / "none", redis_url=source.url.replace("//", "//lean:secret@"))
    with without_a_disk(source), pytest.raises(SourceUnavailableError, match="before its snapshot was whole"):
        backup(settings, BackupArguments(), silent)
    assert files(tmp_path / "none") == []


def test_a_server_that_was_started_anew_meanwhile_is_not_read_on(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(newest, *SLOWLY))
    again: list[bool] = []

    def restart(phase: str, current: int, total: int | None, unit: str) -> None:
        if not again:
            again.append(True)
            source.kill_all()
            source.start()

    with pytest.raises(SourceError, match=r"before its snapshot was whole|broke the connection"):
        backup(settings_for(source, tmp_path / "none"), BackupArguments(compression="none"), restart)
    assert files(tmp_path / "none") == []


VALKEYS = [one for one in binaries() if one.name == "valkey" and one.release >= (9,)]
each_valkey = pytest.mark.parametrize("valkey", VALKEYS, ids=str)


@each_valkey
@pytest.mark.parametrize("told", ["beforehand", pytest.param("by the failure", marks=pytest.mark.slow)])
def test_a_valkey_with_fields_that_expire_sends_its_own_rdb_version(
    told: str, valkey: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(valkey))
    before = state(source)
    # INFO is asked a moment before the snapshot is made: the first such field may come in between.
    hidden = Disguise(source.port, renamed=b"keys_with_volatile_items")
    port = source.port if told == "beforehand" else hidden.port
    settings = settings_for(source, tmp_path, redis_url=f"redis://127.0.0.1:{port}/0")
    made = backup(settings, BackupArguments(), silent)
    assert (made["engine"], made["rdb_version"], made["warnings"]) == ("replication", 80, [])
    assert OWN_RDB in made["engine_reason"]
    wipe(source)
    bring_back(source, tmp_path)
    assert_same(source, before)


@each_valkey
def test_one_that_was_asked_for_by_name_is_made_the_same_way(
    valkey: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = fill_all(start_server(valkey))
    made = take(source, tmp_path, engine="replication", format="json")
    assert (made["engine"], OWN_RDB in made["engine_reason"]) == ("replication", True)


@each_valkey
def test_a_valkey_without_such_fields_sends_what_more_servers_load(
    valkey: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(valkey)
    source.client().hset("h", "f", "v")
    made = take(source, tmp_path)
    assert (made["rdb_version"], made["engine"], OWN_RDB in made["engine_reason"]) == (11, "replication", False)
    assert eventually(lambda: not source.client().info("persistence")["rdb_bgsave_in_progress"])
