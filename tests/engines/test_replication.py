"""The snapshot a replica is sent: whole or refused, and no trace of us afterwards."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import StartServer
from tests.support.backups import Given, asking, bring_back, endpoint, eventually, files, settings_for, take
from tests.support.data import fill
from tests.support.payloads import string
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.engines.replication import Replication
from worker.errors import ArtifactError, BackupSystemError, SourceError, SourceUnavailableError
from worker.formats.entries import Entry
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.writer import write
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.info import read_facts

MEGABYTES = 50

each_transfer = pytest.mark.parametrize("diskless", ["yes", "no"], ids=["diskless", "disk-based"])


def replicas(server: Server) -> Any:
    """How many replicas the server believes to have."""
    return server.client().info("replication")["connected_slaves"]


def gone(server: Server) -> bool:
    """Whether the server comes to have neither replica nor snapshot under way, and no client but the one who asks."""
    return eventually(
        lambda: (
            replicas(server) == 0
            and server.client().info("persistence")["rdb_bgsave_in_progress"] == 0
            and len(server.client().client_list()) == 1
        )
    )


def large(server: Server) -> Server:
    """More data than all buffers between the two of us hold."""
    value = os.urandom(1 << 20)
    server.client().mset({f"key:{number}": value for number in range(MEGABYTES)})
    return server


@each_transfer
def test_the_snapshot_is_a_whole_rdb_file(diskless: str, binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary, "--repl-diskless-sync", diskless)
    fill(server.client(5), binary)
    # A Valkey that has fields with an expiry sends nothing in the older version.
    own = binary.name == "valkey" and binary.fields_expire
    replication = Replication(endpoint(server), read_facts(endpoint(server)).version if own else "")
    reader = Reader(replication.chunks(), values=False)
    entries = [entry for batch in reader.batches() for entry in batch]
    assert len(entries) == server.client(5).dbsize()
    assert replication.position["replication_id"] == server.client().info("replication")["master_replid"]
    assert isinstance(replication.position["replication_offset"], int)
    assert gone(server)


@each_transfer
def test_an_empty_server_has_a_snapshot_too(
    diskless: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(binary, "--repl-diskless-sync", diskless)
    assert take(server, tmp_path, engine="replication")["keys"] == 0
    assert bring_back(server, tmp_path)["restored"] == 0


@pytest.mark.slow
@each_transfer
def test_a_server_that_is_killed_while_it_sends_leaves_no_backup(
    diskless: str, binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = large(start_server(binary, "--repl-diskless-sync", diskless))
    chunks = Replication(endpoint(server)).chunks()
    assert next(chunks)
    server.kill_all()
    with pytest.raises(SourceUnavailableError):
        list(chunks)
    server.start()
    large(server)

    def kill(phase: str, current: int, total: int | None, unit: str) -> None:
        if server.process.poll() is None:
            server.kill_all()

    with pytest.raises(SourceUnavailableError):
        backup(settings_for(server, tmp_path / "none"), BackupArguments(compression="none"), kill)
    assert files(tmp_path / "none") == []


@each_transfer
def test_a_reader_who_leaves_leaves_no_replica_behind(diskless: str, binary: Binary, start_server: StartServer) -> None:
    server = large(start_server(binary, "--repl-diskless-sync", diskless))
    chunks = Replication(endpoint(server)).chunks()
    assert next(chunks)
    assert replicas(server) == 1
    chunks.close()
    assert gone(server)


def test_a_backup_that_fails_on_our_side_leaves_no_replica_behind(source: Server, tmp_path: Path) -> None:
    large(source)

    def fail(phase: str, current: int, total: int | None, unit: str) -> None:
        raise InterruptedError("the test")

    with pytest.raises(BackupSystemError):
        backup(settings_for(source, tmp_path / "none"), BackupArguments(compression="none"), fail)
    assert gone(source)
    assert files(tmp_path / "none") == []


def snapshots(server: Server) -> dict[str, Any]:
    """Everything of INFO that a snapshot would move."""
    told: dict[str, Any] = {**server.client().info("persistence"), **server.client().info("stats")}
    return {name: told[name] for name in told if name.startswith(("rdb_", "sync_", "total_forks", "latest_fork"))}


def test_to_ask_whether_it_may_starts_no_snapshot(source: Server) -> None:
    before = snapshots(source)
    assert Replication(endpoint(source)).refusal() is None
    assert gone(source)
    assert snapshots(source) == before
    assert {"rdb_last_bgsave_time_sec", "sync_full", "total_forks"} <= before.keys()


def test_a_refusal_is_in_the_servers_own_words(binary: Binary, start_server: StartServer) -> None:
    server = start_server(binary, "--rename-command", "PSYNC", "")
    assert "unknown command" in str(Replication(endpoint(server)).refusal())
    with pytest.raises(SourceError, match="unknown command"):
        list(Replication(endpoint(server)).chunks())


def test_a_user_without_the_right_is_told_so(source: Server) -> None:
    asking(source).execute_command("ACL", "SETUSER", "careful", "on", ">secret", "~*", "+@all", "-psync")
    careful = Endpoint(source.url.replace("//", "//careful:secret@"), SOURCE)
    assert "no permissions to run the 'psync' command" in str(Replication(careful).refusal())
    with pytest.raises(SourceError, match=r"(?i)does not allow .*psync"):
        list(Replication(careful).chunks())


def test_a_value_that_holds_the_servers_own_mark_comes_back_whole(
    binary: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(binary, "--repl-diskless-sync", "yes", "--rdbcompression", "no")
    mark = mark_of(server)
    server.client().set("mark", mark)
    server.client().set("marks", mark * 30_000)
    before = state(server)
    assert take(server, tmp_path, engine="replication")["keys"] == 2
    server.client().flushall()
    bring_back(server, tmp_path)
    assert_same(server, before)


def mark_of(server: Server) -> bytes:
    """What ends a diskless transfer: the same for all of one server process."""
    with socket.create_connection(("127.0.0.1", server.port)) as replica:
        replica.sendall(b"REPLCONF capa eof\r\n")
        received = replica.recv(100)
        replica.sendall(b"PSYNC ? -1\r\n")
        while b"$EOF:" not in received or len(received.partition(b"$EOF:")[2]) < 40:
            received += replica.recv(1 << 16)
    return received.partition(b"$EOF:")[2][:40]


class Primary:
    """A thread that answers one replica as a primary might: with these pieces, a moment between one and the next."""

    def __init__(self, pieces: list[bytes], *, rdb_only: bool = True) -> None:
        self._pieces, self._rdb_only = pieces, rdb_only
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint(f"redis://127.0.0.1:{self._listener.getsockname()[1]}", SOURCE)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Primary":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes a primary that nobody has come to.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            replica, _ = self._listener.accept()
            with replica, replica.makefile("rb") as commands:
                self._answer(replica, commands)

    def _answer(self, replica: socket.socket, commands: Any) -> None:
        while line := commands.readline():
            command = [commands.readline() and commands.readline().strip() for _ in range(int(line[1:]))]
            if command[0] == b"PSYNC":
                break
            replica.sendall(b"-ERR no such option\r\n" if b"rdb-only" in command and not self._rdb_only else b"+OK\r\n")
        for piece in self._pieces:
            replica.sendall(piece)
            time.sleep(0.05)


RESYNC = b"+FULLRESYNC " + b"a" * 40 + b" 77\r\n"
MARK = b"0123456789abcdef" * 2 + b"01234567"
DUMP = b"".join(write(Given([Entry(0, b"k", None, "string", b"\x00" + string(b"v" * 100))]), {}))
HOLDS_THE_MARK = b"".join(write(Given([Entry(0, b"k", None, "string", b"\x00" + string(MARK))]), {}))
UP_TO_THE_MARK = HOLDS_THE_MARK.index(MARK) + len(MARK)
EOF_LINE, LENGTH_LINE = b"$EOF:" + MARK + b"\r\n", b"$%d\r\n" % len(DUMP)

WHOLE: dict[str, list[bytes]] = {
    "all at once": [RESYNC + EOF_LINE + DUMP + MARK],
    "one by one": [RESYNC, EOF_LINE, DUMP, MARK],
    "a mark in two": [RESYNC + EOF_LINE + DUMP + MARK[:17], MARK[17:]],
    "a mark in eight": [RESYNC + EOF_LINE + DUMP, *(MARK[place : place + 5] for place in range(0, 40, 5))],
    "lines in pieces": [RESYNC[:20], RESYNC[20:] + EOF_LINE[:9], EOF_LINE[9:] + DUMP + MARK],
    "newlines before each line": [b"\n", b"\n\n", RESYNC + b"\n", b"\n\n", EOF_LINE + DUMP + MARK],
    "newlines and a length": [b"\n\n" + RESYNC, b"\n", b"\n" + LENGTH_LINE, DUMP],
    "a length": [RESYNC + LENGTH_LINE + DUMP],
    "a length and commands after it": [RESYNC + LENGTH_LINE + DUMP + b"*1\r\n$4\r\nPING\r\n"],
}


@pytest.mark.parametrize("pieces", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("rdb_only", [True, False])
def test_a_snapshot_is_whole_however_it_arrives(pieces: list[bytes], rdb_only: bool) -> None:
    with Primary(pieces, rdb_only=rdb_only) as primary:
        replication = Replication(primary.endpoint)
        assert b"".join(replication.chunks()) == DUMP
    assert replication.position == {"replication_id": "a" * 40, "replication_offset": 77}


@pytest.mark.parametrize("pause", [[], [b""] * 10], ids=["at once", "half a second later"])
def test_a_mark_within_a_value_is_not_the_end(pause: list[bytes]) -> None:
    before, after = HOLDS_THE_MARK[:UP_TO_THE_MARK], HOLDS_THE_MARK[UP_TO_THE_MARK:]
    with Primary([RESYNC + EOF_LINE + before, *pause, after + MARK]) as primary:
        assert b"".join(Replication(primary.endpoint).chunks()) == HOLDS_THE_MARK


CUT: dict[str, list[bytes]] = {
    "before anything": [b""],
    "before the header": [RESYNC],
    "within the header": [RESYNC + EOF_LINE[:30]],
    "before the dump": [RESYNC + EOF_LINE],
    "within the dump": [RESYNC + EOF_LINE + DUMP[:60]],
    "before the mark": [RESYNC + EOF_LINE + DUMP],
    "within the mark": [RESYNC + EOF_LINE + DUMP + MARK[:39]],
    "with another mark": [RESYNC + EOF_LINE + DUMP + MARK[::-1]],
    "after the mark": [RESYNC + EOF_LINE + DUMP + MARK, b"", b"", b"something"],
    "behind a length": [RESYNC + LENGTH_LINE + DUMP[:-1]],
    "with newlines only": [b"\n", b"\n", b"\n"],
}


@pytest.mark.parametrize("pieces", CUT.values(), ids=CUT)
def test_a_snapshot_cut_short_is_an_error(pieces: list[bytes]) -> None:
    with (
        Primary(pieces) as primary,
        pytest.raises(SourceUnavailableError, match=r"ended the connection|broke the connection"),
    ):
        list(Replication(primary.endpoint).chunks())


def test_a_dump_that_ends_early_behind_a_right_length_is_no_rdb_file() -> None:
    with Primary([RESYNC + b"$60\r\n" + DUMP[:60]]) as primary, pytest.raises(ArtifactError, match="cut short"):
        list(Reader(Replication(primary.endpoint).chunks(), values=False).batches())


REFUSED: list[tuple[bytes, type[BackupSystemError], str]] = [
    (b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n", SourceUnavailableError, "link to its primary"),
    (b"-LOADING Redis is loading the dataset in memory\r\n", SourceUnavailableError, "still loading"),
    (b"-MASTERDOWN Link with MASTER is down\r\n", SourceUnavailableError, "link to its primary"),
    (b"-NOAUTH Authentication required.\r\n", SourceError, "user name or password"),
    (b"-NOPERM this user has no permissions to run the 'psync' command\r\n", SourceError, "does not allow"),
    (b"-ERR strange\r\n", SourceError, "answered 'ERR strange'"),
    (b"+CONTINUE\r\n", SourceError, "unexpected reply to PSYNC"),
    (b"HTTP/1.1 400 Bad Request\r\n", SourceError, "unexpected reply to PSYNC"),
    (RESYNC + b"-ERR Background saving error\r\n", SourceError, "Background saving error"),
    (RESYNC + b"$EOF:short\r\n", SourceError, "EOF:short"),
    (b"+FULLRESYNC \xff\xfe 1\r\n" + EOF_LINE + DUMP + MARK, SourceError, "unexpected reply to PSYNC"),
    (b"+FULLRESYNC abc notanumber\r\n" + EOF_LINE + DUMP + MARK, SourceError, "unexpected reply to PSYNC"),
]


@pytest.mark.parametrize(("answer", "error", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_a_refusal_becomes_one_plain_sentence(answer: bytes, error: type[BackupSystemError], words: str) -> None:
    with Primary([answer]) as primary, pytest.raises(error, match=words) as caught:
        list(Replication(primary.endpoint).chunks())
    assert isinstance(caught.value, SourceUnavailableError) == (error is SourceUnavailableError)


def test_an_endless_line_is_no_header() -> None:
    with Primary([b"+FULLRESYNC " + b"x" * (4 << 20)]) as primary, pytest.raises(BackupSystemError):
        list(Replication(primary.endpoint).chunks())


@each_transfer
def test_while_a_snapshot_is_sent_nobody_takes_us_for_a_safe_copy(
    diskless: str, binary: Binary, start_server: StartServer
) -> None:
    server = large(start_server(binary, "--repl-diskless-sync", diskless, "--repl-ping-replica-period", "1"))
    server.client().config_set("min-replicas-to-write", 1)
    chunks = Replication(endpoint(server)).chunks()
    assert next(chunks)
    # Good replicas are counted once a second, with which a PING goes to each.
    before = offset(server)
    assert eventually(lambda: offset(server) > before)
    assert replicas(server) == 1
    with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
        server.client().set("k", "v")
    chunks.close()
    assert gone(server)


def offset(server: Server) -> Any:
    """Where the server is in the stream to its replicas."""
    return server.client().info("replication")["master_repl_offset"]


def test_a_replica_that_lost_its_primary_sends_nothing(binary: Binary, start_server: StartServer) -> None:
    replica = start_server(binary)
    replica.client().replicaof("127.0.0.1", "1")
    assert "NOMASTERLINK" in str(Replication(endpoint(replica)).refusal())
    with pytest.raises(SourceUnavailableError, match="without a link to its primary"):
        list(Replication(endpoint(replica)).chunks())


def test_a_run_is_given_up_when_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceUnavailableError, match="cannot be reached"):
        list(Replication(Endpoint(f"redis://127.0.0.1:{port}", SOURCE)).chunks())


def test_a_server_with_a_snapshot_under_way_is_waited_for(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = large(start_server(newest, "--rdb-key-save-delay", "20000"))
    server.client().bgsave()
    assert server.client().info("persistence")["rdb_bgsave_in_progress"] == 1
    assert take(server, tmp_path, engine="replication")["keys"] == MEGABYTES
    assert gone(server)
