"""A backup of a primary that Sentinel watches over: it takes us for no replica, neither then nor in a failover."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import files, settings_for
from tests.support.gates import Gate
from tests.support.processes import eventually
from tests.support.sentinels import Sentinel, watched
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.errors import BackupSystemError, SourceUnavailableError
from worker.progress import silent

# More than all buffers between the source and us hold, so that a backup behind a shut gate stays at it.
MEGABYTES = 50


@dataclass
class Group:
    """A primary and its replica under one Sentinel, and a way to the primary that can be shut."""

    primary: Server
    replica: Server
    sentinel: Sentinel
    gate: Gate

    def fails_over(self) -> None:
        """The primary is gone: wait until the replica is one."""
        self.primary.kill_all()
        eventually(lambda: self.sentinel.primary == self.replica.port, "a failover")
        eventually(lambda: self.replica.client().info("replication")["role"] == "master", "the replica's promotion")


@pytest.fixture
def group(binary: Binary, start_server: StartServer, tmp_path: Path) -> Iterator[Group]:
    primary, replica = start_server(binary), start_server(binary)
    value = os.urandom(1 << 20)
    primary.client().mset({f"key:{number}": value for number in range(MEGABYTES)})
    replica.client().replicaof("127.0.0.1", str(primary.port))
    eventually(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica's link")
    with watched(binary, tmp_path / "sentinel", primary) as sentinel, Gate(primary.port) as gate:
        eventually(lambda: sentinel.replicas == {replica.port}, "Sentinel to know the replica")
        yield Group(primary, replica, sentinel, gate)


@contextmanager
def half_way(group: Group, storage: Path) -> Iterator[list[Any]]:
    """A backup is under way and gets no further; at the end it may. Holds its manifest or error by then."""
    ended: list[Any] = []
    url = f"redis://127.0.0.1:{group.gate.port}/0"

    def run() -> None:
        try:
            ended.append(backup(settings_for(group.primary, storage, redis_url=url), BackupArguments(), silent))
        except BackupSystemError as error:
            ended.append(error)

    group.gate.shut(after=1 << 20)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        eventually(lambda: group.primary.client().info("replication")["connected_slaves"] == 2, "the backup to begin")
        yield ended
    finally:
        group.gate.open()
        thread.join()


@pytest.mark.slow
def test_neither_a_long_backup_nor_a_failover_after_it_leaves_a_replica_behind(group: Group, tmp_path: Path) -> None:
    with half_way(group, tmp_path / "backups") as ended:
        group.sentinel.looks_again()
        # It has seen us by now: we are still there.
        assert group.primary.client().info("replication")["connected_slaves"] == 2
        assert group.sentinel.replicas == {group.replica.port}
    assert (ended[0]["engine"], ended[0]["keys"]) == ("replication", MEGABYTES)
    group.sentinel.looks_again()
    assert group.sentinel.replicas == {group.replica.port}
    group.fails_over()
    eventually(lambda: group.sentinel.replicas == {group.primary.port}, "Sentinel to count the old primary alone")


def test_a_failover_in_the_middle_of_a_backup_ends_it_and_goes_its_way(group: Group, tmp_path: Path) -> None:
    with half_way(group, tmp_path / "none") as ended:
        group.sentinel.looks_again()
        group.fails_over()
    assert isinstance(ended[0], SourceUnavailableError)
    assert files(tmp_path / "none") == []
    eventually(lambda: group.sentinel.replicas == {group.primary.port}, "Sentinel to count the old primary alone")
