"""No write is missed: whatever changes a key, while the stream is played command by command, is among the writes that are told."""

import time
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.segments.test_visits import write_at_random
from tests.support.backups import asking
from tests.support.servers import Binary, Server
from tests.support.streams import Streamed
from worker.arguments.stream import WritesArguments
from worker.formats.commands.reading import parsed
from worker.progress import silent
from worker.segments.telling.writes import writes

KEYS = ("s3", "h5", "l7", "e2", "c3", "t4", "z5", "copy", "stored")


def write_in_rare_ways(server: Server) -> None:
    """Commands that name their keys in other places than most do."""
    zero, three = asking(server), asking(server, 3)
    zero.execute_command("RPUSH", "l7", 3, 1, 2)
    zero.execute_command("SORT", "l7", "STORE", "stored")
    zero.execute_command("ZADD", "z5", 1, "a", 2, "b")
    zero.execute_command("ZRANGESTORE", "stored", "z5", 0, -1)
    zero.execute_command("ZUNIONSTORE", "stored", 2, "z5", "none", "WEIGHTS", 2, 1)
    zero.execute_command("SADD", "u1", "x", "y")
    zero.execute_command("SMOVE", "u1", "copy", "x")
    zero.execute_command("SUNIONSTORE", "stored", "u1", "copy")
    zero.execute_command("DEL", "copy")
    zero.execute_command("SET", "s3", "again")
    zero.execute_command("COPY", "s3", "copy", "DB", 3, "REPLACE")
    three.execute_command("RENAME", "copy", "h5")
    zero.execute_command("SET", "copy", "1")
    zero.execute_command("BITOP", "NOT", "stored", "copy")
    zero.execute_command("LMOVE", "l7", "copied", "LEFT", "RIGHT")
    three.execute_command("MOVE", "h5", 9)
    zero.execute_command("GETDEL", "copy")
    zero.execute_command("FLUSHDB")


def changes(server: Server, chunks: Any, start: int) -> set[tuple[str, int]]:
    """Every key with the offsets behind the commands, or transactions, that changed it, in whichever database."""
    sender: Any = asking(server)
    connection = sender.connection_pool.get_connection()
    watching = [asking(server, db).pipeline(transaction=False) for db in (0, 3, 9)]

    def held() -> list[tuple[Any, ...]]:
        for pipe in watching:
            for key in KEYS:
                pipe.execute_command("DUMP", key).execute_command("PEXPIRETIME", key)
        told = [pipe.execute() for pipe in watching]
        return [tuple(each[2 * number : 2 * number + 2] for each in told) for number in range(len(KEYS))]

    before, found, at, within = held(), set(), start, False
    for arguments, size in parsed(chunks):
        connection.send_command(*arguments, check_health=False)
        connection.read_response()
        at += size
        word = arguments[0].upper()
        within = word == b"MULTI" or (within and word != b"EXEC")
        if not within:
            now = held()
            found |= {(key, at) for key, was, has in zip(KEYS, before, now, strict=True) if was != has}
            before = now
    return found


def all_writes(streamed: Streamed, key: str) -> list[dict[str, Any]]:
    """Page by page."""
    rows, cursor = list[dict[str, Any]](), None
    while True:
        page = writes(streamed.settings, WritesArguments(key=key, limit=7, after=cursor), silent)
        rows += page["writes"]
        if (cursor := page["next"]) is None:
            return rows


@pytest.mark.every_server
def test_whatever_changes_a_key_is_among_its_writes(
    streamed: Streamed, binary: Binary, start_server: StartServer
) -> None:
    if binary.version < (7, 0):
        pytest.skip("6.2 has no PEXPIRETIME, and its expiries count from when they are played")
    for seed in range(3):
        write_at_random(streamed.source, seed, 150)
        streamed.visit()
    write_in_rare_ways(streamed.source)
    streamed.visit()
    time.sleep(0.01)
    recording = streamed.find()
    server = start_server(binary)
    # Nothing may expire while it is played.
    asking(server).execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    changed = changes(server, recording.commands(), recording.base.source.replication_offset or 0)
    assert len(changed) > 25
    assert changed - {(key, row["after"]) for key in KEYS for row in all_writes(streamed, key)} == set()
