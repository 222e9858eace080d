"""Backups of the schedule that are made without the source, and when a snapshot is taken all the same."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.segments.test_visits import write_at_random
from tests.support.backups import eventually, fill_all
from tests.support.servers import Binary
from tests.support.states import assert_same
from tests.support.streams import BACKLOG, Streamed
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments
from worker.backups import renewal
from worker.backups.backup import backup
from worker.progress import silent
from worker.repository.behalf import Asker, acting_for
from worker.restore.restore import restore
from worker.segments.playing import noted
from worker.storage import open_storage


@pytest.fixture
def streamed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source of which there is a chain, and which would be played by a server of its own release."""
    more = {"backup_stream_seconds": 5, "backup_full_every_days": 7, "drill_servers": (newest.path,)}
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path, more)
    fill_all(streamed.source)
    streamed.take()
    streamed.visit()
    write_at_random(streamed.source, 3)
    streamed.visit()
    return streamed


def scheduled(streamed: Streamed, asker: str = "beat daily", **arguments: Any) -> dict[str, Any]:
    with acting_for(asker):
        return backup(streamed.settings, BackupArguments(**arguments), silent)


def snapshots(streamed: Streamed) -> int:
    return int(streamed.source.client().info("stats")["sync_full"])


def test_a_backup_of_the_schedule_is_made_of_the_last_one_and_the_stream(
    streamed: Streamed, newest: Binary, start_server: StartServer
) -> None:
    before = snapshots(streamed)
    made = scheduled(streamed)
    assert snapshots(streamed) == before
    assert made["made_from"]
    assert made["kind"] == "backup"
    assert made["consistency"] == "point-in-time"
    target = start_server(newest)
    other = streamed.settings.model_copy(update={"redis_url": target.url})
    restore(other, RestoreArguments(name=made["name"], mode="mirror"), silent)
    assert_same(streamed.source, target, times=False)
    # It is a base itself, and the next one is made from it.
    write_at_random(streamed.source, 4)
    streamed.visit()
    assert streamed.find().base.name == made["name"]
    assert scheduled(streamed, "beat interval")["made_from"] == made["name"]
    assert snapshots(streamed) == before


@pytest.mark.parametrize("asker", ["admin", "token ci", "beat, for moments to go back to"])
def test_who_asks_by_hand_gets_a_snapshot(asker: str, streamed: Streamed) -> None:
    assert scheduled(streamed, asker)["made_from"] is None


def test_a_snapshot_is_taken_where_the_last_one_is_too_old(streamed: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    with acting_for("beat daily"):
        storage = open_storage(str(streamed.storage))
        for days, due in ((6, True), (8, False)):
            now = datetime.now(UTC) + timedelta(days=days)
            monkeypatch.setattr(renewal, "PATIENCE_SECONDS", 10**9)
            assert renewal.is_due(streamed.settings, BackupArguments(), storage, now) is due


def test_a_snapshot_is_taken_where_nobody_visits(streamed: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "PATIENCE_SECONDS", -1)
    assert scheduled(streamed)["made_from"] is None


@pytest.mark.parametrize("arguments", [{"format": "json"}, {"engine": "scan"}, {"databases": [0]}])
def test_a_snapshot_is_taken_where_another_kind_is_asked_for(streamed: Streamed, arguments: dict[str, Any]) -> None:
    assert scheduled(streamed, **arguments)["made_from"] is None


def test_a_snapshot_is_taken_where_what_was_made_has_other_keys(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_noted = noted.last_noted
    monkeypatch.setattr(renewal, "last_noted", lambda *words: (last_noted(*words)[0], {0: 7}))
    assert scheduled(streamed)["made_from"] is None


def test_a_snapshot_is_taken_where_no_server_can_play(streamed: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.segments.playing.made.programs.known", lambda _: iter(()))
    assert scheduled(streamed)["made_from"] is None


def test_the_beat_that_asks_for_a_base_is_no_entry_of_the_schedule() -> None:
    assert Asker("beat").on("for moments to go back to").entry is None


def test_a_source_that_is_idle_still_is_what_it_was(streamed: Streamed) -> None:
    made = scheduled(streamed)
    time.sleep(0.02)
    streamed.visit()
    again = scheduled(streamed)
    assert again["made_from"] == made["name"]
    assert again["created_at"] > made["created_at"]


def test_a_stream_that_selects_no_database_makes_no_backup(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    """As that of a replica, in the middle of which we began: what is made could not say which one its commands go on in."""
    primary = start_server(newest, *BACKLOG)
    replica = start_server(newest, *BACKLOG, "--replicaof", "127.0.0.1", str(primary.port))
    assert eventually(lambda: replica.client().info("replication")["master_link_status"] == "up")
    primary.client(3).set("key", "0")
    reached = primary.client().info("replication")["master_repl_offset"]
    assert eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= reached)
    more = {"backup_stream_seconds": 5, "backup_full_every_days": 7, "drill_servers": (newest.path,)}
    streamed = Streamed(replica, tmp_path, more)
    streamed.take()
    primary.client(3).set("key", "1")
    reached = primary.client().info("replication")["master_repl_offset"]
    assert eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= reached)
    streamed.visit()
    assert streamed.find().database == 3
    assert scheduled(streamed)["made_from"] is None
    primary.client(0).set("key", "2")
    reached = primary.client().info("replication")["master_repl_offset"]
    assert eventually(lambda: replica.client().info("replication")["slave_repl_offset"] >= reached)
    streamed.visit()
    assert scheduled(streamed)["made_from"]
