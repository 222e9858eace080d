"""A restore that goes wrong midway: exact counts, nothing half written, and the next one completes it."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.counted import counts, run, told
from tests.support.backups import Given, bring_back, each_format, manifest_of, settings_for, take
from tests.support.payloads import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same
from worker.arguments.backups import AdoptArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.adopt import adopt
from worker.errors import (
    ArtifactError,
    BackupSystemError,
    BusyError,
    FormatError,
    IncompleteError,
    TargetUnavailableError,
)
from worker.formats.entries import Entry
from worker.formats.rdb.writer import write
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import check_complete, restore
from worker.storage.local import Folder


@each_format
def test_a_target_that_is_killed_midway_is_told_with_counts_and_the_second_run_completes_it(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    source.client().mset({f"key:{number}": os.urandom(3000) for number in range(3000)})
    take(source, tmp_path, format=data_format)

    def kill(done: int) -> None:
        if done >= 1500 and target.process.poll() is None:
            target.kill()

    with pytest.raises(TargetUnavailableError, match=r"Until then: [\d,]+ restored") as caught:
        run(target, tmp_path, kill)
    assert 0 < told(caught.value)["restored"] < 3000
    said = str(caught.value)
    # Not bare: had a value ended it, that value would do it again.
    assert "Where it was stopped or cut off, see that it runs, and run the same again to complete it" in said
    report = caught.value.report or {}
    first = report["unconfirmed_keys"][0]["key"]
    assert f"one of the keys that were on their way did that, {first!r} of database 0" in said
    assert len(report["unconfirmed_keys"]) == min(20, report["unconfirmed"])
    target.start()
    assert counts(bring_back(target, tmp_path)) == {"restored": 3000}
    assert_same(target, source)


@each_format
def test_a_connection_that_breaks_midway_leaves_nothing_half_written(
    data_format: str, source: Server, target: Server, tmp_path: Path
) -> None:
    pipe = source.client().pipeline(transaction=False)
    for number in range(3000):
        pipe.rpush(f"key:{number}", *range(50))
    pipe.execute()
    take(source, tmp_path, format=data_format)

    def disconnect(done: int) -> None:
        if done >= 1500:
            target.client().client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(TargetUnavailableError, match="Run the same again") as caught:
        run(target, tmp_path, disconnect)
    client: Any = target.client()
    there = {key for key in client.keys("*") if not key.startswith(b"redis_backup:")}
    assert 0 < told(caught.value)["restored"] <= len(there) < 3000
    assert all(client.llen(key) == 50 for key in sorted(there)[::10])
    assert all(client.ttl(key) > 0 for key in client.keys("redis_backup:*"))
    client.delete("nothing", *client.keys("redis_backup:*"))
    assert counts(bring_back(target, tmp_path)) == {"restored": 3000 - len(there), "skipped": len(there)}
    assert_same(target, source)


@pytest.mark.parametrize("hung_up", [True, False], ids=["hung up", "stopped"])
def test_what_is_on_its_way_when_a_restore_ends_early_is_counted_too(
    hung_up: bool, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest)
    source.client().mset({f"key:{number}": os.urandom(100) for number in range(20_000)})
    take(source, tmp_path)

    def end(done: int) -> None:
        if done > 9000 and not hung_up:
            raise BusyError("Another is at work here.")
        if done > 9000:
            # By then all that was sent is there, and none of the last replies is read.
            target.client().ping()
            target.client().client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(BackupSystemError, match="Until then") as caught:
        run(target, tmp_path, end)
    assert told(caught.value)["restored"] == target.client().dbsize() > 0


def test_a_dump_that_ends_midway_though_its_manifest_vouches_for_it_is_told_with_counts(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    target, storage = start_server(newest), Folder(tmp_path / "backups")
    entries = [Entry(0, b"key:%d" % number, None, "string", b"\x00" + string(bytes(50))) for number in range(20_000)]
    content = b"".join(write(Given(entries, rdb_version=9), {}))[:-300_000]
    storage.put("redis_backup_20231205_143022.rdb", content)
    catalogue.add(storage, manifest_of("redis_backup_20231205_143022.rdb", content))
    # Whoever keeps what is there first, meets the end before the first key is written.
    with pytest.raises(FormatError, match="cut short"):
        bring_back(target, storage.path)
    assert target.client().dbsize() == 0
    with pytest.raises(ArtifactError, match=r"cut short.*Until then: [\d,]+ restored") as caught:
        restore(settings_for(target, storage.path, backup_undo_days=0), RestoreArguments(name="latest"), silent)
    assert told(caught.value)["restored"] == target.client().dbsize() > 0


def test_one_bad_key_among_good_ones_is_counted_and_the_rest_restored(source: Server, tmp_path: Path) -> None:
    good = [Entry(0, b"good:%d" % number, None, "string", b"\x00" + string(b"v")) for number in range(1000)]
    bad = Entry(2, b"bad\xff", None, "set", b"\x0b" + string(b"no intset"))
    (tmp_path / "dump.rdb").write_bytes(b"".join(write(Given([*good[:500], bad, *good[500:]], rdb_version=9), {})))
    adopt(
        settings_for(source, tmp_path / "backups"),
        AdoptArguments(file=tmp_path / "dump.rdb", with_damaged=True),
        silent,
    )
    report = bring_back(source, tmp_path / "backups")
    assert counts(report) == {"restored": 1000, "failed": 1}
    (failure,) = report["failures"]
    assert (failure["db"], failure["key"], failure["type"]) == (2, "bad\\xff", "set")
    assert failure["error"].startswith("its value is damaged, and the target was not given it")
    assert source.client().dbsize() == 1000
    with pytest.raises(IncompleteError, match=r"1,000 restored, 0 skipped, 0 expired, 1 failed.*of database 2"):
        check_complete(report)
